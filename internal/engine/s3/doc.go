// Package s3 is [weir.Blobs] on S3 or a store that speaks its protocol, such as MinIO. It is not an S3 client for other
// uses: it knows one bucket, keys that satisfy [weir.ValidKey], and conditions by ETag.
//
// The network may fail at any byte. A read goes on where it broke, on the same object or not at all; a put is made again
// and recognises its own success; an attempt at which nothing moves is given up. What remains is an error of kind
// Unavailable after a bounded time, and then a put is stored whole or not at all.
package s3
