package probe

import "bytes"

// Sniff is sniff on bytes.
func Sniff(b []byte) (string, error) { return sniff(bytes.NewReader(b), int64(len(b))) }

// Describe is what Probe makes of ffprobe's two answers about a file, whose first decoded picture or sound is at shown.
func Describe(demuxer string, streams, packets []byte, shown int64) (Facts, error) {
	r, err := parseReport(streams)
	if err != nil {
		return Facts{}, err
	}
	s, err := choose(demuxer, r)
	if err != nil {
		return Facts{}, err
	}
	c := newCollector(r, s.picture)
	if _, err := c.Write(packets); err != nil {
		return Facts{}, err
	}
	return s.describe(r, c, func(int) (int64, error) { return shown, nil })
}
