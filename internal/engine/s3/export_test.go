package s3

import "log/slog"

// Name is the object's name in the bucket.
func (b *Blobs) Name(key string) string { return *b.name(key) }

var (
	PartSizeFor  = partSizeFor
	ContentRange = contentRange
	Refusal      = refusal
	CheckURL     = func(text string) error { _, err := parse(text); return err }
)

// SetLog takes the place of Open's log.
func (b *Blobs) SetLog(log *slog.Logger) { b.log = log }
