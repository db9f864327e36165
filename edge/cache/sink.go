//go:build linux

package cache

// Sink is where a fill puts bytes, in order: a *Writer, or what a test puts in its place. If it has a method Size(int64), that
// is told the length of a key of unknown length first.
type Sink interface {
	Space() []byte // an empty one takes no more: the fill has failed, or all is there
	Filled(n int)
}

var _ Sink = (*Writer)(nil)

// Pour copies b to sink and returns how much it took: less than all if the fill has failed meanwhile.
func Pour(sink Sink, b []byte) int {
	n := 0
	for n < len(b) {
		m := copy(sink.Space(), b[n:])
		if m == 0 {
			break
		}
		sink.Filled(m)
		n += m
	}
	return n
}
