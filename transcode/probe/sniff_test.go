package probe_test

import (
	"bytes"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/probe"
)

// mp3 is n MPEG 1 layer III frames of 128 kb/s at 44.1 kHz, 417 bytes each.
func mp3(n int) []byte {
	return bytes.Repeat(append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...), n)
}

// adts is n ADTS frames of 100 bytes.
func adts(n int) []byte {
	return bytes.Repeat(append([]byte{0xff, 0xf1, 0x50, 0x80, 100 >> 3, 100&7<<5 | 0x1f, 0xfc}, make([]byte, 93)...), n)
}

func packets(n, size, junk int) []byte {
	return append(bytes.Repeat([]byte{1}, junk), bytes.Repeat(append([]byte{0x47, 0x40, 0x11, 0x10}, make([]byte, size-4)...), n)...)
}

// id3 is a tag of so many bytes behind its header.
func id3(n int) []byte {
	return append([]byte{'I', 'D', '3', 4, 0, 0, byte(n >> 21 & 0x7f), byte(n >> 14 & 0x7f), byte(n >> 7 & 0x7f), byte(n & 0x7f)}, bytes.Repeat([]byte{0xaa}, n)...)
}

func TestSniff(t *testing.T) {
	f := func(name string, b []byte, want string) {
		t.Helper()
		if got, err := probe.Sniff(b); got != want || err != nil {
			t.Errorf("%s: Sniff() = %q, %v, want %q", name, got, err, want)
		}
	}
	f("MP4", []byte("\x00\x00\x00\x20ftypisom\x00\x00\x02\x00"), "mov")
	f("QuickTime", []byte("\x00\x00\x00\x08wide\x00\x00\x00\x00mdat"), "mov")
	f("Matroska", []byte("\x1a\x45\xdf\xa3\x01\x00"), "matroska")
	f("AVI", []byte("RIFF\x00\x00\x00\x00AVI LIST"), "avi")
	f("WAV", []byte("RIFF\x00\x00\x00\x00WAVEfmt "), "wav")
	f("RF64", []byte("RF64\xff\xff\xff\xffWAVEds64"), "wav")
	f("FLV", []byte("FLV\x01\x05\x00\x00\x00\x09"), "flv")
	f("Ogg", []byte("OggS\x00\x02"), "ogg")
	f("FLAC", []byte("fLaC\x00\x00\x00\x22"), "flac")
	f("FLAC with a tag", append(id3(300), "fLaC\x00\x00\x00\x22"...), "flac")
	f("MPEG-PS", []byte("\x00\x00\x01\xba\x44\x00"), "mpeg")
	f("ASF", []byte("\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"), "asf")
	f("MXF", []byte("\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01"), "mxf")
	f("MPEG-TS", packets(10, 188, 0), "mpegts")
	f("MPEG-TS cut at its start", packets(10, 188, 77), "mpegts")
	f("M2TS", packets(10, 192, 4), "mpegts")
	f("MPEG-TS with Reed-Solomon bytes", packets(10, 204, 0), "mpegts")
	f("MP3", mp3(5), "mp3")
	f("MP3 of two frames", mp3(2), "mp3")
	f("MP3 with cover art", append(id3(100_000), mp3(5)...), "mp3")
	f("MP3 after padding", append(id3(64), append(make([]byte, 32), mp3(5)...)...), "mp3")
	f("ADTS", adts(5), "aac")
	f("ADTS with a tag", append(id3(40), adts(4)...), "aac")
}

func TestSniffRefuses(t *testing.T) {
	f := func(name string, b []byte, want string) {
		t.Helper()
		got, err := probe.Sniff(b)
		if weir.KindOf(err) != weir.Unprocessable || !strings.Contains(weir.Detail(err), want) {
			t.Errorf("%s: Sniff() = %q, %v, want a refusal with %q", name, got, err, want)
		}
	}
	f("nothing", nil, "empty")
	f("text", []byte("Dear Sir or Madam,\nthis is not a film.\n"), "text file")
	f("UTF-8 cut in a letter", []byte(strings.Repeat("ä", 40_000))[:65_535], "text file")
	f("HLS", []byte("#EXTM3U\n#EXT-X-VERSION:3\n"), "playlist")
	f("HLS with a byte order mark", []byte("\ufeff#EXTM3U\n"), "playlist")
	f("DASH", []byte("<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">"), "playlist")
	f("concat", []byte("ffconcat version 1.0\nfile '/etc/passwd'\n"), "playlist")
	f("PLS", []byte("[playlist]\nFile1=/etc/passwd\n"), "playlist")
	f("PNG", []byte("\x89PNG\r\n\x1a\n\x00\x00"), "still picture")
	f("JPEG", []byte("\xff\xd8\xff\xe0\x00\x10JFIF"), "still picture")
	f("HEIC", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), "still picture")
	f("WebP", []byte("RIFF\x00\x00\x00\x00WEBPVP8 "), "still picture")
	f("ZIP", []byte("PK\x03\x04\x14\x00\x00\x00\xff\xfe"), "known here")
	f("a tag and nothing", id3(30), "known here")
	f("one sync byte", append([]byte{0x47}, make([]byte, 4000)...), "known here")
	f("noise", bytes.Repeat([]byte{0xff, 0xe3, 0x07, 0x80}, 1000), "known here")
}

func FuzzSniff(f *testing.F) {
	for _, b := range [][]byte{nil, mp3(2), adts(2), packets(5, 188, 3), id3(5), []byte("#EXTM3U"), []byte("\x00\x00\x00\x20ftypisom")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := probe.Sniff(b)
		if (got == "") != (weir.KindOf(err) == weir.Unprocessable) {
			t.Errorf("Sniff() = %q, %v", got, err)
		}
	})
}
