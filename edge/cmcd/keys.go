package cmcd

// Key is a reserved key whose value Data keeps. Names and units are those of CTA-5004-B table 1; those that are gone in
// version 2 are read from version 1.
type Key uint8

// The keys. Milliseconds are ms, kilobits per second kbps.
const (
	none                   Key = iota
	AggregateBitrate           // ab, kbps
	Backgrounded               // bg
	BufferLength               // bl, ms
	Bitrate                    // br, kbps
	Starved                    // bs
	Starvations                // bsa, since the session began
	StarvedFor                 // bsd, ms
	StarvedForAltogether       // bsda, ms
	ContentID                  // cid, text
	Signature                  // cs, text
	Duration                   // d, ms
	DroppedFrames              // dfa
	Deadline                   // dl, ms
	ErrorCode                  // ec, text: the first of them
	LowestAggregateBitrate     // lab, kbps
	LowestBitrate              // lb, kbps
	LiveLatency                // ltc, ms
	StartDelay                 // msd, ms
	MeasuredThroughput         // mtp, kbps
	NotRendered                // nr
	ObjectType                 // ot, token
	PlayheadBitrate            // pb, kbps
	PlaybackRate               // pr, thousandths
	PlayheadTime               // pt, ms
	RequestedThroughput        // rtp, kbps
	StreamingFormat            // sf, token
	SessionID                  // sid, text
	SequenceNumber             // sn
	StreamType                 // st, token
	PlayerState                // sta, token
	Startup                    // su
	TopAggregateBitrate        // tab, kbps
	TopBitrate                 // tb, kbps
	TargetBufferLength         // tbl, ms
	TopPlayableBitrate         // tpb, kbps
	Version                    // v
	nextObject                 // nor
	nextRange                  // nrr
	tolerated                  // keys of event mode, which no request carries by right
	keyCount
)

// kind is what a key's value must be.
type kind uint8

const (
	integer kind = iota // or an inner list of them, by object type
	decimal
	boolean
	text
	token
	next
	skipped
)

// spec is a key as it is written.
type spec struct {
	name   string
	kind   kind
	limit  int    // bytes of a text
	tokens string // each behind a space
}

const objectTypes = " m a v av i c tt k o"

// specs are the keys by number. It never changes.
var specs = [keyCount]spec{
	AggregateBitrate: {name: "ab"}, Backgrounded: {name: "bg", kind: boolean}, BufferLength: {name: "bl"}, Bitrate: {name: "br"},
	Starved: {name: "bs", kind: boolean}, Starvations: {name: "bsa"}, StarvedFor: {name: "bsd"}, StarvedForAltogether: {name: "bsda"},
	ContentID: {name: "cid", kind: text, limit: 128}, Signature: {name: "cs", kind: text, limit: 256}, Duration: {name: "d"},
	DroppedFrames: {name: "dfa"}, Deadline: {name: "dl"}, ErrorCode: {name: "ec", kind: text, limit: 64}, LowestAggregateBitrate: {name: "lab"},
	LowestBitrate: {name: "lb"}, LiveLatency: {name: "ltc"}, StartDelay: {name: "msd"}, MeasuredThroughput: {name: "mtp"},
	NotRendered: {name: "nr", kind: boolean}, ObjectType: {name: "ot", kind: token, tokens: objectTypes}, PlayheadBitrate: {name: "pb"},
	PlaybackRate: {name: "pr", kind: decimal}, PlayheadTime: {name: "pt"}, RequestedThroughput: {name: "rtp"},
	StreamingFormat: {name: "sf", kind: token, tokens: " d h s e o"}, SessionID: {name: "sid", kind: text, limit: 64}, SequenceNumber: {name: "sn"},
	StreamType: {name: "st", kind: token, tokens: " v l ll"}, PlayerState: {name: "sta", kind: token, tokens: " s p k r a w e f q d"},
	Startup: {name: "su", kind: boolean}, TopAggregateBitrate: {name: "tab"}, TopBitrate: {name: "tb"}, TargetBufferLength: {name: "tbl"},
	TopPlayableBitrate: {name: "tpb"}, Version: {name: "v"}, nextObject: {name: "nor", kind: next, limit: maxPath},
	nextRange: {name: "nrr", kind: text, limit: 48}, tolerated: {kind: skipped},
}

// String is the key's name.
func (k Key) String() string { return specs[k%keyCount].name }

// keyOf is the key of a name; none is one that is not reserved.
func keyOf(name []byte) Key {
	if len(name) <= 2 {
		return shortKey(name)
	}
	switch string(name) { // no allocation
	case "cen", "cmsdd", "cmsds", "smrt", "ttfb", "ttfbb", "ttlb", "url", "cdn":
		return tolerated
	case "bsa":
		return Starvations
	case "bsd":
		return StarvedFor
	case "bsda":
		return StarvedForAltogether
	case "cid":
		return ContentID
	case "dfa":
		return DroppedFrames
	case "lab":
		return LowestAggregateBitrate
	case "ltc":
		return LiveLatency
	case "msd":
		return StartDelay
	case "mtp":
		return MeasuredThroughput
	case "rtp":
		return RequestedThroughput
	case "sid":
		return SessionID
	case "sta":
		return PlayerState
	case "tab":
		return TopAggregateBitrate
	case "tbl":
		return TargetBufferLength
	case "tpb":
		return TopPlayableBitrate
	case "nor":
		return nextObject
	case "nrr":
		return nextRange
	}
	return none
}

// shortKey is keyOf a name of one or two letters.
func shortKey(name []byte) Key {
	switch string(name) {
	case "e", "h", "ts", "rc":
		return tolerated
	case "ab":
		return AggregateBitrate
	case "bg":
		return Backgrounded
	case "bl":
		return BufferLength
	case "br":
		return Bitrate
	case "bs":
		return Starved
	case "cs":
		return Signature
	case "d":
		return Duration
	case "dl":
		return Deadline
	case "ec":
		return ErrorCode
	case "lb":
		return LowestBitrate
	case "nr":
		return NotRendered
	case "ot":
		return ObjectType
	case "pb":
		return PlayheadBitrate
	case "pr":
		return PlaybackRate
	case "pt":
		return PlayheadTime
	case "sf":
		return StreamingFormat
	case "sn":
		return SequenceNumber
	case "st":
		return StreamType
	case "su":
		return Startup
	case "tb":
		return TopBitrate
	case "v":
		return Version
	}
	return none
}

// tokenOf is the number of a token among those of a key, from 1 on; 0 is none of them.
func (s spec) tokenOf(b []byte) int64 {
	list := s.tokens
	for n := int64(1); list != ""; n++ {
		var one string
		one, list = cutSpace(list[1:])
		if one == string(b) {
			return n
		}
	}
	return 0
}

// tokenName is the token of a number.
func (s spec) tokenName(n int64) string {
	list := s.tokens
	for list != "" {
		var one string
		one, list = cutSpace(list[1:])
		if n--; n == 0 {
			return one
		}
	}
	return ""
}

// cutSpace returns what is before the first space, and that space with what follows.
func cutSpace(s string) (string, string) {
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i], s[i:]
		}
	}
	return s, ""
}
