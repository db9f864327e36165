package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/weirstream/weir"
)

// failure is what an error of the client means: the one place where S3's words are read.
type failure struct {
	kind   weir.Kind
	detail string // about the object or upload, for clients
	status int    // of the answer; 0 is none
	code   string // S3's word; "" is none, as in every answer to HEAD
	again  bool   // another attempt may go well
}

// codes are S3's words whose meaning their status does not have. Those with an X are MinIO's.
func codes(code string) (failure, bool) {
	switch code {
	case "NoSuchKey":
		return failure{kind: weir.NotFound, detail: "it does not exist"}, true
	case "NoSuchUpload":
		return failure{kind: weir.NotFound, detail: "there is no such upload"}, true
	case "PreconditionFailed": // also said late, in an answer that began with 200
		return statuses(http.StatusPreconditionFailed), true
	case "NoSuchBucket":
		return failure{kind: weir.Internal, detail: "its bucket does not exist"}, true
	case "ConditionalRequestConflict", "OperationAborted": // somebody changes it now: neither done nor refused
		return failure{kind: weir.Unavailable, detail: "it is being changed by another", again: true}, true
	case "XMinioParentIsObject", "XMinioObjectExistsAsDirectory", "ObjectParentIsFile", "ExistingObjectIsDirectory":
		return failure{kind: weir.Conflict, detail: "it cannot be: another object's key continues it, or it another's"}, true
	case "BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "IncompleteBody":
		return failure{kind: weir.Unavailable, detail: "its bytes were damaged on the way", again: true}, true
	case "RequestTimeout", "RequestTimeTooSkewed", "InternalError", "SlowDown", "ServiceUnavailable":
		return failure{kind: weir.Unavailable, detail: "the object store does not answer", again: true}, true
	case "EntityTooLarge", "MaxPartSizeExceeded":
		return failure{kind: weir.TooLarge, detail: "it is larger than an object may be"}, true
	case "EntityTooSmall", "InvalidPart", "InvalidPartOrder":
		return failure{kind: weir.Invalid, detail: "a part is missing or too small"}, true
	case "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded":
		return failure{kind: weir.Full, detail: "the object store is full"}, true
	}
	return failure{}, false
}

func statuses(status int) failure {
	switch {
	case status == http.StatusNotFound:
		return failure{kind: weir.NotFound, detail: "it does not exist"}
	case status == http.StatusPreconditionFailed:
		return failure{kind: weir.Precondition, detail: "it is not the one expected, or exists already"}
	case status == http.StatusRequestedRangeNotSatisfiable:
		return failure{kind: weir.BadRange, detail: "it has no byte in that range"}
	case status == http.StatusInsufficientStorage:
		return failure{kind: weir.Full, detail: "the object store is full"}
	case status == http.StatusNotImplemented:
		return failure{kind: weir.Internal, detail: "the object store cannot do that"}
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		return failure{kind: weir.Unavailable, detail: "the object store does not answer", again: true}
	}
	return failure{kind: weir.Internal, detail: "the object store refuses"}
}

// failureOf reads an error of the client, of a context, or of this package.
func failureOf(err error) failure {
	var known *weir.Error
	if errors.As(err, &known) {
		return failure{kind: known.Kind, detail: known.Detail}
	}
	if errors.Is(err, errStalled) {
		return failure{kind: weir.Unavailable, detail: "the object store does not answer", again: true}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return failure{kind: weir.KindOf(err)}
	}
	var answer *smithyhttp.ResponseError
	var said smithy.APIError
	f := failure{}
	if errors.As(err, &answer) {
		f.status = answer.HTTPStatusCode()
	}
	if errors.As(err, &said) {
		f.code = said.ErrorCode()
	}
	status, code := f.status, f.code
	f, ok := codes(code)
	switch {
	case ok:
	case status == http.StatusNotFound && code != "" && code != "NotFound": // not the object: versitygw says so of a user
		f = failure{kind: weir.Internal, detail: "the object store refuses"}
	case status >= 300:
		f = statuses(status)
	case broken(err):
		f = failure{kind: weir.Unavailable, detail: "the object store does not answer", again: true}
	default:
		f = failure{kind: weir.Internal, detail: "the object store refuses"}
	}
	f.status, f.code = status, code
	return f
}

// broken says that the connection failed, before or in the answer.
func broken(err error) bool {
	var sending *smithyhttp.RequestSendError
	var answer *smithy.DeserializationError
	return errors.As(err, &sending) || errors.As(err, &answer)
}

// act names what failed. The kind and its sentence are for clients, the client's own words for the log.
func act(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	var known *weir.Error
	f := failureOf(err)
	switch {
	case errors.As(err, &known), f.detail == "", f.kind == weir.Internal:
		return fmt.Errorf("%s %q: %w", verb, key, err)
	case f.again:
		return fmt.Errorf("%s %q: %w: %w", verb, key, weir.Errorf(f.kind, "object %q: %s", key, f.detail), err)
	}
	return fmt.Errorf("%s %q: %w", verb, key, &weir.Error{Kind: f.kind, Detail: fmt.Sprintf("object %q: %s", key, f.detail), Err: err})
}
