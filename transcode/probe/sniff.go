package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	weir "github.com/weirstream/weir"
)

// sniffBytes is how much of a file's start is looked at.
const sniffBytes = 64 << 10

// maxTag bounds an ID3 tag that stands before sound: cover art is big, but not that big.
const maxTag = 64 << 20

// magic is what a format's files have at an offset.
type magic struct {
	offset int
	bytes  string
	format string // demuxer, or one of the refusals below
}

// What is no demuxer.
const (
	isPicture  = "picture"
	isPlaylist = "playlist"
	isText     = "text"
	isUnknown  = "unknown"
)

// magics are tried in order. ISO files that are pictures come before those that are films.
var magics = [...]magic{
	{4, "ftypheic", isPicture}, {4, "ftypheix", isPicture}, {4, "ftypmif1", isPicture}, {4, "ftypmsf1", isPicture}, {4, "ftypavif", isPicture},
	{4, "ftyp", "mov"}, {4, "moov", "mov"}, {4, "mdat", "mov"}, {4, "wide", "mov"}, {4, "free", "mov"}, {4, "skip", "mov"}, {4, "pnot", "mov"}, {4, "styp", "mov"},
	{0, "\x1a\x45\xdf\xa3", "matroska"},
	{8, "AVI ", "avi"}, {8, "AVIX", "avi"}, {8, "WAVE", "wav"}, {8, "WEBP", isPicture},
	{0, "FLV\x01", "flv"}, {0, "OggS", "ogg"}, {0, "fLaC", "flac"},
	{0, "\x00\x00\x01\xba", "mpeg"},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"},
	{0, "\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", "mxf"},
	{0, "\x89PNG\r\n\x1a\n", isPicture}, {0, "\xff\xd8\xff", isPicture}, {0, "GIF8", isPicture},
	{0, "II*\x00", isPicture}, {0, "MM\x00*", isPicture}, {0, "8BPS", isPicture}, {0, "\x00\x00\x00\x0cjP  ", isPicture},
	{0, "#EXTM3U", isPlaylist}, {0, "ffconcat", isPlaylist}, {0, "\xef\xbb\xbf#EXTM3U", isPlaylist},
}

// sniff names the demuxer of a file by its bytes alone, never by its name. size is the file's. Unprocessable says what the
// file is instead.
func sniff(r io.ReaderAt, size int64) (string, error) {
	if size == 0 {
		return "", refuse("the file is empty: it has 0 bytes")
	}
	start, err := readAt(r, 0)
	if err != nil {
		return "", err
	}
	format := formatOf(start)
	if tag := id3Size(start); tag > 0 && tag < min(size, maxTag) {
		sound, err := readAt(r, tag)
		if err != nil {
			return "", err
		}
		format = soundOf(sound)
	}
	switch format {
	case isPicture:
		return "", refuse("this is a still picture, not a video or a sound file")
	case isPlaylist:
		return "", refuse("this is a playlist, which only names other files; send the video itself")
	case isText:
		return "", refuse("this is a text file, not a video or a sound file")
	case isUnknown:
		return "", refuse("this is no video or sound file of a kind that is known here")
	case "avi", "wav":
		return format, wholeRIFF(start, size)
	}
	return format, nil
}

// wholeRIFF refuses a RIFF file that is much shorter than its header says; readers take the length from what is there. A
// writer that could not go back to its header left 0 or the largest size in it.
func wholeRIFF(start []byte, size int64) error {
	if stated := int64(binary.LittleEndian.Uint32(start[4:])); stated < 1<<32-256 && size+stated/100+1024 < stated {
		return refuse("the file is cut off: %d%% of it is there", (100*size+stated/2)/stated)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return weir.Errorf(weir.Unprocessable, format, args...)
}

func readAt(r io.ReaderAt, offset int64) ([]byte, error) {
	b := make([]byte, sniffBytes)
	n, err := r.ReadAt(b, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the master: %w", err)
	}
	return b[:n], nil
}

// formatOf is the demuxer of a file that starts with b, or what it is instead.
func formatOf(b []byte) string {
	for _, m := range magics {
		if len(b) >= m.offset+len(m.bytes) && string(b[m.offset:m.offset+len(m.bytes)]) == m.bytes && (m.offset != 8 || riff(b)) {
			return m.format
		}
	}
	if text(b) {
		return textOf(b)
	}
	if transport(b) {
		return "mpegts"
	}
	return soundOf(b)
}

func riff(b []byte) bool {
	return bytes.HasPrefix(b, []byte("RIFF")) || bytes.HasPrefix(b, []byte("RF64")) || bytes.HasPrefix(b, []byte("BW64"))
}

// text says whether the first kilobyte is text in UTF-8, but for a letter that is cut at its end.
func text(b []byte) bool {
	b = b[:min(len(b), 1024)]
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == utf8.RuneError && n == 1 {
			return len(b) < utf8.UTFMax && !utf8.FullRune(b)
		}
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' {
			return false
		}
		b = b[n:]
	}
	return true
}

// textOf tells an MPD, a SMIL or a playlist with leading space from other text.
func textOf(b []byte) string {
	for _, mark := range []string{"#EXTM3U", "<MPD", "<smil", "ffconcat", "[playlist]", "<SmoothStreamingMedia"} {
		if bytes.Contains(b[:min(len(b), 1024)], []byte(mark)) {
			return isPlaylist
		}
	}
	return isText
}

// transport looks for the sync bytes of an MPEG transport stream: packets of 188 bytes, or 192 (M2TS) or 204 (with
// Reed-Solomon bytes), of which the first may be cut.
func transport(b []byte) bool {
	for _, size := range []int{188, 192, 204} {
		for offset := 0; offset < size && offset+4*size < len(b); offset++ {
			n := 0
			for at := offset; at < len(b) && b[at] == 0x47; at += size {
				n++
			}
			if n > (len(b)-offset-1)/size || n >= 16 {
				return true
			}
		}
	}
	return false
}

// id3Size is the length of the ID3v2 tag that b starts with, or 0.
func id3Size(b []byte) int64 {
	if len(b) < 10 || string(b[:3]) != "ID3" {
		return 0
	}
	size := int64(10)
	for i, c := range b[6:10] {
		if c > 0x7f {
			return 0
		}
		size += int64(c) << (7 * (3 - i))
	}
	if b[5]&0x10 != 0 { // a footer
		size += 10
	}
	return size
}

// soundOf tells the formats of bare sound that may follow an ID3 tag.
func soundOf(b []byte) string {
	if bytes.HasPrefix(b, []byte("fLaC")) {
		return "flac"
	}
	b = bytes.TrimLeft(b, "\x00") // padding behind a tag
	if follows(b, adtsFrame) {
		return "aac"
	}
	if follows(b, mpegFrame) {
		return "mp3"
	}
	return isUnknown
}

// follows says whether three frames, or all that b holds, follow each other.
func follows(b []byte, frame func([]byte) int) bool {
	for n := 0; n < 3; n++ {
		size := frame(b)
		if size == 0 {
			return n > 0 && len(b) == 0
		}
		b = b[min(size, len(b)):]
	}
	return true
}

// adtsFrame is the length of the ADTS frame that b starts with, or 0: ISO/IEC 13818-7 section 6.2.
func adtsFrame(b []byte) int {
	if len(b) < 7 || b[0] != 0xff || b[1]&0xf6 != 0xf0 || b[2]>>2&0xf > 12 {
		return 0
	}
	size := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5])>>5
	if size < 7 {
		return 0
	}
	return size
}

// Kilobits a second by index of an MPEG audio header: MPEG 1 layers I, II, III, then MPEG 2 layer I, and II and III.
var mpegRates = [5][15]int{
	{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}

// mpegFrame is the length of the MPEG audio frame that b starts with, or 0: ISO/IEC 11172-3 section 2.4.2.3.
func mpegFrame(b []byte) int {
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return 0
	}
	version, layer := int(b[1]>>3&3), 4-int(b[1]>>1&3) // version: 3 is MPEG 1, 2 is MPEG 2, 0 is 2.5
	rate, frequency, padding := int(b[2]>>4), int(b[2]>>2&3), int(b[2]>>1&1)
	if version == 1 || layer == 4 || rate == 0 || rate == 15 || frequency == 3 {
		return 0
	}
	hertz := [3]int{44100, 48000, 32000}[frequency] / [4]int{4, 1, 2, 1}[version]
	table, samples := layer-1, 144
	if version != 3 {
		table = min(layer+2, 4)
	}
	switch {
	case layer == 1:
		return (12000*mpegRates[table][rate]/hertz + padding) * 4
	case layer == 3 && version != 3:
		samples = 72
	}
	return samples*1000*mpegRates[table][rate]/hertz + padding
}
