//go:build linux

package cache

// Sink is where a fill puts bytes, in order: a *Writer, or what a test puts in its place. If it has a method Size(int64), that
// is told the length of a key of unknown length first.
type Sink interface {
	Space() []byte // an empty one takes no more: the fill has failed, or all is there
	Filled(n int)
}

// Keeper is a Sink of which a fill can be given up while somebody still writes into its last Space and cannot be stopped.
type Keeper interface {
	// Keep has that space belong to nobody else until release is called, which may be after the fill has returned. It must return an
	// error then, and goes on nowhere: the late bytes would overwrite good ones.
	Keep() (release func())
}

var (
	_ Sink   = (*Writer)(nil)
	_ Keeper = (*Writer)(nil)
)

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
