package s3

// Name is the object's name in the bucket.
func (b *Blobs) Name(key string) string { return *b.name(key) }
