package embed

import "sync"

// fanOut hands what is sent under a name to whoever listens to the name at that moment. The zero value has no listeners.
type fanOut[T any] struct {
	mu        sync.Mutex
	listeners map[string]map[chan T]struct{} // guarded by mu
}

// join starts listening with room for that many unread things; leave ends it and must be called.
func (f *fanOut[T]) join(name string, room int) (things <-chan T, leave func()) {
	c := make(chan T, room)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listeners == nil {
		f.listeners = map[string]map[chan T]struct{}{}
	}
	if f.listeners[name] == nil {
		f.listeners[name] = map[chan T]struct{}{}
	}
	f.listeners[name][c] = struct{}{}
	return c, func() { f.leave(name, c) }
}

func (f *fanOut[T]) leave(name string, c chan T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listeners[name], c)
	if len(f.listeners[name]) == 0 {
		delete(f.listeners, name)
	}
}

// send never waits: a listener without room misses the thing.
func (f *fanOut[T]) send(name string, thing T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.listeners[name] {
		select {
		case c <- thing:
		default:
		}
	}
}
