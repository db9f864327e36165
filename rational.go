package weir

import "fmt"

// Rational is an exact fraction: a frame rate, an aspect ratio, a time base. The zero value means unknown.
type Rational struct {
	Num int64 `json:"num"`
	Den int64 `json:"den"`
}

// String is "num/den".
func (r Rational) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// Known says whether both parts are positive.
func (r Rational) Known() bool { return r.Num > 0 && r.Den > 0 }

// Float is for display and comparison only, never for timestamps. Unknown is 0.
func (r Rational) Float() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// Reduced is r in lowest terms.
func (r Rational) Reduced() Rational {
	a, b := r.Num, r.Den
	for b != 0 {
		a, b = b, a%b
	}
	if a == 0 {
		return r
	}
	if a < 0 {
		a = -a
	}
	return Rational{Num: r.Num / a, Den: r.Den / a}
}
