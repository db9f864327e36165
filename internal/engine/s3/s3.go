package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/weirstream/weir"
)

// Blobs is [weir.Blobs] on one bucket, or on the keys of it that begin with one prefix. An ETag is the store's: most make
// it of the content, so an object replaced by equal bytes keeps it.
//
// What S3 does not have is left out: a put that dies in mid-way leaves parts that no key shows; a rule of the bucket
// (AbortIncompleteMultipartUpload, after 7 days) removes them.
type Blobs struct {
	At func(point string) // if not nil, called at the named points of a put: tests kill the process there

	place     place
	client    *s3.Client
	fetch     *fetcher
	transport *http.Transport
	log       *slog.Logger
}

var _ weir.Blobs = (*Blobs)(nil)

// How long Open waits. A laptop has no instance role, and nobody at its address to say so.
const (
	credentialsWait = 5 * time.Second
	bucketWait      = 10 * time.Second
)

// Open opens the bucket of a URL of the form
//
//	s3://id:key@bucket/prefix?endpoint=http://host:port&path-style=true&region=us-east-1&timeout=15s
//
// of which only the bucket must be there. Without id and key (percent-encoded) credentials are those of the environment:
// AWS_ACCESS_KEY_ID and its kin, the shared files, a web identity, the container's or the instance's role. endpoint is a store
// other than AWS; path-style puts the bucket into the path, as most of those need; timeout is how long one attempt may
// rest without a byte. Without a region anywhere one with an endpoint has us-east-1.
//
// Open asks for the bucket, and says in a sentence what is wrong: Invalid is the URL, Forbidden the credentials, NotFound the
// bucket, Unavailable an endpoint that cannot be reached. log takes what is tried again and nil is nowhere. The caller closes.
func Open(ctx context.Context, url string, log *slog.Logger) (*Blobs, error) {
	p, err := parse(url)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b := &Blobs{place: p, log: log}
	if err := b.connect(ctx); err != nil {
		return nil, err
	}
	if err := b.reach(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// connect makes the client, as whom the URL or else the environment says.
func (b *Blobs) connect(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("open objects: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, credentialsWait)
	defer cancel()
	c, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{})) // it writes to standard error otherwise; errors say enough
	if err != nil {
		return weir.Errorf(weir.Invalid, "the environment's AWS configuration cannot be used: %w", err)
	}
	if b.place.credentials {
		c.Credentials = credentials.NewStaticCredentialsProvider(b.place.id, b.place.secret, "")
	} else if _, err := c.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("%w: %w", weir.Errorf(weir.Forbidden, "no credentials for bucket %q: neither the URL (s3://id:key@bucket) has any nor "+
			"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the shared files or a role", b.place.bucket), err)
	}
	switch {
	case b.place.region != "":
		c.Region = b.place.region
	case c.Region == "" && b.place.endpoint != "":
		c.Region = "us-east-1"
	case c.Region == "":
		return weir.Errorf(weir.Invalid, "bucket %q has no region: give region=... in the URL or AWS_REGION", b.place.bucket)
	}
	b.transport = transport(c.HTTPClient)
	client := &http.Client{Transport: b.transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a signature holds for one host
	}}
	c.HTTPClient = client
	b.client = s3.NewFromConfig(c, b.options)
	b.fetch, err = b.fetcher(ctx, c, client)
	return err
}

// options leave attempts, their time and checksums to this package.
func (b *Blobs) options(o *s3.Options) {
	o.Retryer = aws.NopRetryer{}
	o.UsePathStyle = b.place.pathStyle
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	if b.place.endpoint != "" {
		o.BaseEndpoint = &b.place.endpoint
	}
}

// transport keeps as many connections as there are readers on a busy edge: each new one costs a handshake.
func transport(from aws.HTTPClient) *http.Transport {
	client, ok := from.(*awshttp.BuildableClient) // carries the environment's certificates
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	t := client.GetTransport()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 5 * time.Second
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 256, 256
	t.IdleConnTimeout = 30 * time.Second
	t.ReadBufferSize, t.WriteBufferSize = 16<<10, 32<<10
	t.DisableCompression = true
	t.ForceAttemptHTTP2 = false // one connection for all readers is slower, and its reset breaks them all
	return t
}

// reach lists one object: an answer to HEAD would not say what is wrong.
func (b *Blobs) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bucketWait)
	defer cancel()
	_, err := b.page(ctx, "", "", nil, 1)
	if err == nil {
		return nil
	}
	where := b.place.endpoint
	if where == "" {
		where = "AWS"
	}
	var sentence error
	switch f := failureOf(err); {
	case f.code == "NoSuchBucket":
		sentence = weir.Errorf(weir.NotFound, "there is no bucket %q at %s", b.place.bucket, where)
	case f.code == "AccessDenied":
		sentence = weir.Errorf(weir.Forbidden, "the credentials do not open bucket %q at %s", b.place.bucket, where)
	case f.status == http.StatusForbidden, f.code == "InvalidToken", f.code == "ExpiredToken", f.code == "XAdminUserNotFound":
		sentence = weir.Errorf(weir.Forbidden, "%s refuses the credentials for bucket %q", where, b.place.bucket)
	case f.code == "AuthorizationHeaderMalformed", f.status >= 300 && f.status < 400:
		sentence = weir.Errorf(weir.Invalid, "bucket %q is in another region or place than %s", b.place.bucket, where)
	case f.kind == weir.Unavailable, f.kind == weir.Timeout:
		sentence = weir.Errorf(weir.Unavailable, "bucket %q cannot be reached at %s", b.place.bucket, where)
	default:
		sentence = weir.Errorf(weir.Invalid, "%s does not answer as S3 does for bucket %q", where, b.place.bucket)
	}
	return fmt.Errorf("open objects: %w: %w", sentence, err)
}

// Close closes the connections nobody uses. Readers that Get returned stay usable.
func (b *Blobs) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

// name is the object's name in the bucket.
func (b *Blobs) name(key string) *string { return aws.String(b.place.prefix + key) }

func (b *Blobs) at(point string) {
	if b.At != nil {
		b.At(point)
	}
}

func checkKey(key string) error {
	if !weir.ValidKey(key) {
		return weir.Errorf(weir.Invalid, "%q is not a valid object key", key)
	}
	return nil
}
