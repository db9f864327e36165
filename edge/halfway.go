package edge

import "net"

// halfwayBytes is the least size of a write with a named point in its middle: more than a playlist, less than a segment
// of video.
const halfwayBytes = 48 << 10

// halfwayListener is for crash tests: its connections call at("edge.mid-segment") when half of a segment is written.
type halfwayListener struct {
	net.Listener
	at func(point string)
}

// Accept wraps the connection.
func (l halfwayListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &halfwayConn{c, l.at}, nil // a pointer: connections are keys of maps
}

type halfwayConn struct {
	net.Conn
	at func(point string)
}

func (c *halfwayConn) Write(b []byte) (int, error) {
	if len(b) < halfwayBytes {
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:len(b)/2])
	if err != nil {
		return n, err
	}
	c.at("edge.mid-segment")
	m, err := c.Conn.Write(b[len(b)/2:])
	return n + m, err
}
