// Package probe learns what a master is without believing it: the container by its first bytes, the streams from ffprobe
// in its sandbox, and the timeline from the packets themselves, since stated durations and rates lie. A file that cannot
// become a presentation is refused with kind Unprocessable and a sentence for the person who sent it.
package probe
