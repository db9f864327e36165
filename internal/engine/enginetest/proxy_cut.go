package enginetest

// Cut says if the reset that CutAfter asked for has happened.
func (p *Proxy) Cut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut < 0
}
