package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/weirstream/weir"
)

// fetcher makes the one request that an edge makes thousands of times a second: GET of an object. The SDK's client takes
// four hundred allocations and longer than the transport to make it, so only its endpoint and its signature are used.
// Safe for concurrent use.
type fetcher struct {
	bucket string // the bucket's URL, without a slash at its end
	config aws.Config
	client *http.Client
	signer *v4.Signer
}

// fetcher asks where the bucket is once: keys need no escaping, so an object's URL is that and its name.
func (b *Blobs) fetcher(ctx context.Context, c aws.Config, client *http.Client) (*fetcher, error) {
	p := s3.EndpointParameters{Bucket: &b.place.bucket, Region: &c.Region, ForcePathStyle: &b.place.pathStyle, Endpoint: b.client.Options().BaseEndpoint}
	at, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, p.WithDefaults())
	if err != nil {
		return nil, weir.Errorf(weir.Invalid, "bucket %q has no address: %w", b.place.bucket, err)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return &fetcher{bucket: at.URI.String(), config: c, client: client, signer: signer}, nil
}

// noBody is the sha256 of nothing.
const noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// get asks for the object's bytes, those of span ("bytes=0-9") unless it is "", and only with that ETag unless it is "". Errors
// are of the SDK's types. The caller closes the body.
func (f *fetcher) get(ctx context.Context, name, span, etag string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.bucket+"/"+name, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-Amz-Content-Sha256", noBody)
	if span != "" {
		request.Header.Set("Range", span)
	}
	if etag != "" {
		request.Header.Set("If-Match", `"`+etag+`"`)
	}
	as, err := f.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.signer.SignHTTP(ctx, as, request, noBody, "s3", f.config.Region, time.Now()); err != nil {
		return nil, err
	}
	answer, err := f.client.Do(request)
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	if answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusPartialContent {
		return answer, nil
	}
	said, err := refusal(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, &smithy.DeserializationError{Err: err}
	}
	return nil, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: answer}, Err: said}
}

// maxRefusal bounds what is read of an answer that is no object.
const maxRefusal = 64 << 10

// refusal reads S3's error document, or what stands in its place.
func refusal(r io.Reader) (*smithy.GenericAPIError, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxRefusal))
	if err != nil {
		return nil, err
	}
	var said struct {
		Code    string
		Message string
	}
	_ = xml.Unmarshal(text, &said) // a proxy's answer is no XML: its status says enough
	return &smithy.GenericAPIError{Code: said.Code, Message: said.Message}, nil
}
