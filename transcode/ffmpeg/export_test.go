package ffmpeg

// ParseProgress feeds lines to a fresh parser and returns what it knows after the last block, how many blocks ended and
// how many lines belonged to one.
func ParseProgress(lines ...string) (last Progress, blocks, mine int) {
	var s progressParser
	for _, l := range lines {
		p, complete, own := s.line(l)
		if complete {
			last, blocks = p, blocks+1
		}
		if own {
			mine++
		}
	}
	return last, blocks, mine
}
