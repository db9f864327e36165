package bench

import "github.com/HdrHistogram/hdrhistogram-go"

// QoE is what viewers noticed, over all virtual players of a run.
type QoE struct {
	Players     int64   `json:"players"` // that ended, for whatever reason
	NeverPlayed int64   `json:"never_played"`
	Abandoned   int64   `json:"abandoned"` // left because they waited too long
	Stalled     int64   `json:"stalled"`   // waited at least once in the middle
	Startup     Latency `json:"startup"`
	PlaySeconds float64 `json:"play_seconds"`
	WaitSeconds float64 `json:"wait_seconds"` // in the middle
	Rebuffer    float64 `json:"rebuffer"`     // WaitSeconds as a share of both
	Switches    float64 `json:"switches_per_minute"`
	BitRate     float64 `json:"mean_bit_rate"` // bits a second, weighted by time
	Seeks       int64   `json:"seeks"`
}

// session is what one player's viewer noticed.
type session struct {
	Buffer
	abandoned bool
	switches  int
	seeks     int
	loaded    float64 // seconds of media
	bits      float64 // bit rate x seconds of media
}

type qoeRecord struct {
	startup  *hdrhistogram.Histogram
	sum      QoE
	switches int
	loaded   float64
	bits     float64
}

// viewer notes a player that has ended.
func (r *Recorder) viewer(s session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.qoe == nil {
		r.qoe = &qoeRecord{startup: histogram()}
	}
	q := r.qoe
	q.sum.Players++
	if s.Started {
		_ = q.startup.RecordValue(max(1, int64(s.Startup*1e6))) // a run is no longer than the histogram
	} else {
		q.sum.NeverPlayed++
	}
	if s.abandoned {
		q.sum.Abandoned++
	}
	if s.Stalls > 0 {
		q.sum.Stalled++
	}
	q.sum.Seeks += int64(s.seeks)
	q.sum.PlaySeconds += s.Played
	q.sum.WaitSeconds += s.Buffer.Stalled
	q.switches += s.switches
	q.loaded += s.loaded
	q.bits += s.bits
}

func (q *qoeRecord) result() *QoE {
	out := q.sum
	out.Startup = curve(q.startup)
	out.Rebuffer = ratio(out.WaitSeconds, out.WaitSeconds+out.PlaySeconds)
	out.Switches = ratio(float64(q.switches), out.PlaySeconds/60)
	out.BitRate = ratio(q.bits, q.loaded)
	return &out
}
