package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/tus/tusd/v2/pkg/handler"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
	tuslog "golang.org/x/exp/slog"
)

// uploadsPath is the tus creation URL; an upload's URL is below it, named by its asset.
const uploadsPath = "/v1/uploads"

// tus is the protocol handler over this service's records and files.
func (s *Service) tus() (*handler.UnroutedHandler, error) {
	composer := handler.NewStoreComposer()
	composer.UseCore(uploads{s})
	composer.UseTerminater(uploads{s})
	composer.UseLocker(s.locks)
	return handler.NewUnroutedHandler(handler.Config{
		StoreComposer:           composer,
		BasePath:                uploadsPath,
		MaxSize:                 s.c.MaxBytes,
		DisableDownload:         true,
		DisableConcatenation:    true,
		Cors:                    &handler.CorsConfig{Disable: true}, // the gateway lets no other origin through
		Logger:                  tuslog.New(tuslog.NewTextHandler(io.Discard, nil)),
		PreUploadCreateCallback: s.beforeCreate,
	})
}

// beforeCreate decides on an upload and stores its record, before any byte or file.
func (s *Service) beforeCreate(hook handler.HookEvent) (handler.HTTPResponse, handler.FileInfoChanges, error) {
	refuse := func(err error) (handler.HTTPResponse, handler.FileInfoChanges, error) {
		return handler.HTTPResponse{}, handler.FileInfoChanges{}, answered(hook.Context, err)
	}
	m, err := ParseMetadata(hook.HTTPRequest.Header.Get("Upload-Metadata"))
	if err != nil {
		return refuse(err)
	}
	if err := s.admit(hook.Context, hook.Upload.Size); err != nil {
		return refuse(err)
	}
	now := s.c.Now().UTC()
	id, organisation := weir.NewID(now), web.Organisation(hook.Context)
	r := Record{Declared: m.SHA256, Asset: weir.Asset{ID: id, Organisation: organisation, Title: m.Title,
		State: weir.AssetUploading, Created: now,
		Master: weir.Master{ID: id, Organisation: organisation, Name: m.Filename, Size: hook.Upload.Size}}}
	if err := s.c.Store.Create(hook.Context, r); err != nil {
		return refuse(err)
	}
	return handler.HTTPResponse{Header: handler.HTTPHeader{"Weir-Asset": id}},
		handler.FileInfoChanges{ID: id, MetaData: handler.MetaData{}}, nil
}

// uploads is tusd's view of the records: the file store's bytes, and the record's word on whether they are wanted.
type uploads struct{ s *Service }

// NewUpload makes the files of a record that beforeCreate stored.
func (u uploads) NewUpload(ctx context.Context, info handler.FileInfo) (handler.Upload, error) {
	r, err := u.s.c.Store.Load(ctx, info.ID)
	if err != nil {
		return nil, answered(ctx, err)
	}
	file, err := u.s.files.NewUpload(ctx, info)
	if err != nil {
		return nil, answered(ctx, errors.Join(diskError(err), u.s.fail(ctx, info.ID, "The upload could not be started.")))
	}
	return &upload{Upload: file, s: u.s, r: r}, nil
}

// GetUpload is called with the upload's lock held. An upload whose bytes are all here is finished first, so that whoever
// asks learns how it ended.
func (u uploads) GetUpload(ctx context.Context, id string) (handler.Upload, error) {
	r, err := u.s.load(ctx, web.Organisation(ctx), id)
	if err != nil {
		return nil, answered(ctx, err)
	}
	if err := ended(r); err != nil {
		return nil, answered(ctx, err)
	}
	if r.Asset.State == weir.AssetReceived {
		return &upload{s: u.s, r: r}, nil
	}
	file, err := u.s.files.GetUpload(ctx, id)
	if errors.Is(err, handler.ErrNotFound) {
		return nil, answered(ctx, weir.Errorf(weir.Gone, "The bytes of this upload are gone. Start it again."))
	}
	if err != nil {
		return nil, answered(ctx, err)
	}
	up := &upload{Upload: file, s: u.s, r: r}
	if info, err := file.GetInfo(ctx); err != nil || info.Offset == r.Asset.Master.Size {
		if err == nil {
			err = up.FinishUpload(ctx)
		}
		if err != nil {
			return nil, answered(ctx, err)
		}
		up.Upload = nil
	}
	return up, nil
}

// AsTerminatableUpload is tusd's way to ask for the termination extension.
func (u uploads) AsTerminatableUpload(up handler.Upload) handler.TerminatableUpload {
	return up.(*upload)
}

// upload is one of them. Upload is nil once it is received.
type upload struct {
	handler.Upload
	s *Service
	r Record
}

// GetInfo is what the record says, and how many bytes the file has.
func (u *upload) GetInfo(ctx context.Context) (handler.FileInfo, error) {
	info := handler.FileInfo{ID: u.r.Asset.ID, Size: u.r.Asset.Master.Size, Offset: u.r.Asset.Master.Size}
	if u.Upload == nil {
		return info, nil
	}
	file, err := u.Upload.GetInfo(ctx)
	info.Offset = file.Offset
	return info, answered(ctx, err)
}

// WriteChunk appends.
func (u *upload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	half := u.r.Asset.Master.Size / 2
	n, err := u.Upload.WriteChunk(ctx, offset, &passing{r: src, left: half - offset, at: func() { u.s.c.At("ingest.mid-upload") }})
	return n, answered(ctx, diskError(err))
}

// FinishUpload is called when the last byte is in the file.
func (u *upload) FinishUpload(ctx context.Context) error {
	if a := answerOf(ctx); a != nil { // a large master takes longer than a connection may rest otherwise
		rc := http.NewResponseController(a.ResponseWriter)
		_ = rc.SetReadDeadline(time.Now().Add(finishTimeout))
		_ = rc.SetWriteDeadline(time.Now().Add(finishTimeout))
	}
	r, err := u.s.finish(ctx, u.r)
	if err == nil {
		u.r = r
	}
	return answered(ctx, err)
}

// Terminate gives up an upload that is not received yet.
func (u *upload) Terminate(ctx context.Context) error {
	if u.Upload == nil {
		return answered(ctx, weir.Errorf(weir.Conflict, "The upload is finished. Delete the asset instead."))
	}
	err := u.s.markDeleted(ctx, u.r.Asset.Organisation, u.r.Asset.ID)
	if err == nil {
		err = u.s.removeFiles(u.r.Asset.ID) // under the lock that tusd holds
	}
	return answered(ctx, err)
}

// passing calls at once when left bytes have been read.
type passing struct {
	r    io.Reader
	left int64
	at   func()
}

func (p *passing) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.left > 0 && int64(n) >= p.left {
		p.at()
	}
	p.left -= int64(n)
	return n, err
}

// diskError gives a full disk its kind.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &weir.Error{Kind: weir.Full, Detail: "The server's disk is full.", Err: err}
	}
	return err
}

// answer holds back tusd's plain-text errors, so that they leave as problems.
type answer struct {
	http.ResponseWriter
	err    error // ours, which says more than tusd's
	status int   // of tusd's error, 0 if there is none
	text   strings.Builder
}

type answerKey struct{}

func answerOf(ctx context.Context) *answer {
	a, _ := ctx.Value(answerKey{}).(*answer)
	return a
}

// answered notes err for the client and returns it for tusd, whose own text for it will be dropped.
func answered(ctx context.Context, err error) error {
	if a := answerOf(ctx); a != nil && err != nil {
		a.err = err
	}
	return err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader passes successes on.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		a.status = status
		return
	}
	if id := a.Header().Get("Weir-Asset"); id != "" {
		a.Header().Set("Location", uploadsPath+"/"+id)
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		return a.ResponseWriter.Write(b)
	}
	if a.text.Len() < 512 {
		a.text.Write(b)
	}
	return len(b), nil
}

// problem is what to tell: our error, or tusd's in Weir's words.
func (a *answer) problem(log *slog.Logger) error {
	if a.status == 0 {
		return nil
	}
	if a.err != nil {
		return a.err
	}
	code, text, _ := strings.Cut(strings.TrimSpace(a.text.String()), ": ")
	for _, k := range tusKinds {
		if k.code == code {
			return weir.Errorf(k.kind, "%s", k.detail)
		}
	}
	log.Warn("tus error without words", "code", code, "text", text, "status", a.status)
	if a.status >= http.StatusInternalServerError {
		return weir.Errorf(weir.Internal, "tus: %s: %s", code, text)
	}
	return weir.Errorf(weir.Invalid, "The upload request is malformed: %s.", text)
}

// tusKinds is what tusd's codes mean here.
var tusKinds = [...]struct {
	code   string
	kind   weir.Kind
	detail string
}{
	{"ERR_UNSUPPORTED_VERSION", weir.Precondition, "The header Tus-Resumable: 1.0.0 is missing."},
	{"ERR_MAX_SIZE_EXCEEDED", weir.TooLarge, "The file is larger than this server accepts."},
	{"ERR_UPLOAD_SIZE_EXCEEDED", weir.TooLarge, "More bytes were sent than the upload was announced to have."},
	{"ERR_INVALID_CONTENT_TYPE", weir.Invalid, "The content type of an upload's bytes is application/offset+octet-stream."},
	{"ERR_INVALID_UPLOAD_LENGTH", weir.Invalid, "Upload-Length is missing or not a number; an upload's length must be known when it is created."},
	{"ERR_NOT_IMPLEMENTED", weir.Invalid, "Upload-Length is missing; an upload's length must be known when it is created."},
	{"ERR_INVALID_OFFSET", weir.Invalid, "Upload-Offset is missing or not a number."},
	{"ERR_MISMATCHED_OFFSET", weir.Conflict, "Upload-Offset is not where the upload stands. Ask with HEAD."},
	{"ERR_LOCK_TIMEOUT", weir.Unavailable, "The upload is being worked on. Try again in a moment."},
	{"ERR_UPLOAD_INTERRUPTED", weir.Conflict, "Another request took this upload over."},
	{"ERR_UNEXPECTED_EOF", weir.Invalid, "The request ended early."},
	{"ERR_READ_TIMEOUT", weir.Unavailable, "No bytes came for too long."},
	{"ERR_CONNECTION_RESET", weir.Unavailable, "The connection broke."},
	{"ERR_SERVER_SHUTDOWN", weir.Unavailable, "The server is stopping. Resume in a moment."},
}
