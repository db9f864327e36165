package disk

import "runtime"

// Block is the bytes under one checksum.
const Block = block

// Settle returns when the writer has nothing to do, or nothing that it can do while the tier is off.
func (t *Tier) Settle() {
	for {
		t.mu.Lock()
		w := &t.work
		idle := len(w.pending) == 0 && len(w.marks) == 0 && !w.clear && !w.unsaved && !t.busy
		off := len(w.pending) == 0 && !t.state.writable(t.config.Now()) && !t.busy
		t.mu.Unlock()
		if idle || off {
			return
		}
		runtime.Gosched()
	}
}

// Keeps is how many region files there may be.
func (t *Tier) Keeps() int { return t.keeps() }
