package bench

// ParseStat is parseStat, whose result is not exported.
func ParseStat(b []byte) (pid, parent int, cpu float64, err error) {
	p, err := parseStat(b)
	return p.pid, p.parent, p.cpu.Seconds(), err
}

// Update reads a media playlist again.
func (p *Presentation) Update(t Target, r *Rendition, b []byte) error { return p.update(r, t.URL, b) }
