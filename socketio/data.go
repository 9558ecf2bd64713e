package socketio

// Key names a value that each socket can carry, of type T. Make one per value,
// usually as a package variable.
type Key[T any] struct {
	_ byte // keys are told apart by their address
}

// NewKey returns a key unlike all others.
func NewKey[T any]() *Key[T] { return new(Key[T]) }

// Get returns the value that s carries under this key, and whether it has one.
func (k *Key[T]) Get(s *Socket) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.data {
		if d.key == any(k) {
			return d.value.(T), true
		}
	}
	var none T
	return none, false
}

// Set makes s carry a value under this key, in place of the one before. It may
// be called from any goroutine, also after the socket has disconnected.
func (k *Key[T]) Set(s *Socket, value T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, d := range s.data {
		if d.key == any(k) {
			s.data[i].value = value
			return
		}
	}
	s.data = append(s.data, datum{k, value})
}

// datum is one value of a socket. There are few, so a list is the most compact.
type datum struct{ key, value any }
