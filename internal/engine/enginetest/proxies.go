package enginetest

import "time"

// Proxies stand before the servers of one engine, one each: a fault befalls all of them.
type Proxies []*Proxy

// Refuse resets new connections while on.
func (ps Proxies) Refuse(on bool) { ps.each(func(p *Proxy) { p.Refuse(on) }) }

// Silence lets no byte through while on: servers that hang.
func (ps Proxies) Silence(on bool) { ps.each(func(p *Proxy) { p.Silence(on) }) }

// Delay holds every read from a server back for d.
func (ps Proxies) Delay(d time.Duration) { ps.each(func(p *Proxy) { p.Delay(d) }) }

// CutAfter resets, at each proxy, the connection on which its n-th byte from now on arrives, once.
func (ps Proxies) CutAfter(n int64) { ps.each(func(p *Proxy) { p.CutAfter(n) }) }

// Reset resets every open connection.
func (ps Proxies) Reset() { ps.each((*Proxy).Reset) }

// Heal ends all faults.
func (ps Proxies) Heal() { ps.each((*Proxy).Heal) }

func (ps Proxies) each(f func(*Proxy)) {
	for _, p := range ps {
		f(p)
	}
}
