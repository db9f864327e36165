package cmcd

import "strconv"

// Static is what an edge knows of an object, whoever asks for it (CTA-5006 section 3.1). Zero fields are not said.
type Static struct {
	Available  int64  // at, ms of Unix time: when it became available
	Bitrate    int64  // br, kbps
	Duration   int64  // d, ms
	Held       int64  // ht, ms that the answer was held back
	Name       string // n, who says so
	ObjectType string // ot, a token of CMCD
	Format     string // sf, a token of CMCD
	StreamType string // st, a token of CMCD
	Startup    bool   // su
}

// Append writes the value of a CMSD-Static field, a dictionary; nothing if there is nothing to say.
func (s Static) Append(b []byte) []byte {
	at := len(b)
	number := func(name string, n int64) {
		if n > 0 && n <= maxInteger {
			b = strconv.AppendInt(append(b, name...), n, 10)
		}
	}
	tok := func(name string, k Key, v string) {
		if v != "" && specs[k].tokenOf([]byte(v)) > 0 {
			b = append(append(b, name...), v...)
		}
	}
	number(",at=", s.Available)
	number(",br=", s.Bitrate)
	number(",d=", s.Duration)
	number(",ht=", s.Held)
	if s.Name != "" {
		b = appendQuoted(append(b, ",n="...), s.Name)
	}
	tok(",ot=", ObjectType, s.ObjectType)
	tok(",sf=", StreamingFormat, s.Format)
	tok(",st=", StreamType, s.StreamType)
	if s.Startup {
		b = append(b, ",su"...)
	}
	if len(b) > at { // without the first comma
		b = append(b[:at], b[at+1:]...)
	}
	return b
}

// Dynamic is what an edge knows of one answer (CTA-5006 section 3.2). Zero fields are not said.
type Dynamic struct {
	Name       string // required: the edge, as others can tell it from its like
	Throughput int64  // etp, kbps to the client, estimated as the answer begins
	RTT        int64  // rtt, ms to the client
	MaxBitrate int64  // mb, kbps that the player should not go above
	Delay      int64  // rd, ms from the request to the first byte of the answer
	Duress     bool   // du: the client had better go elsewhere
}

// Append writes one member of a CMSD-Dynamic field, which is a list: it goes behind those of the servers it came from.
// Without a name nothing is written.
func (d Dynamic) Append(b []byte) []byte {
	if d.Name == "" {
		return b
	}
	b = appendQuoted(b, d.Name)
	if d.Duress {
		b = append(b, ";du"...)
	}
	number := func(name string, n int64) {
		if n > 0 && n <= maxInteger {
			b = strconv.AppendInt(append(b, name...), n, 10)
		}
	}
	number(";etp=", d.Throughput)
	number(";mb=", d.MaxBitrate)
	number(";rd=", d.Delay)
	number(";rtt=", d.RTT)
	return b
}
