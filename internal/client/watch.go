package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	weir "github.com/weirstream/weir"
)

// Watch calls each (if not nil) with every status of an asset until it is final, and returns that. A stream that ends early
// is opened again; then a status may come twice. Gone: the asset was deleted.
func (c *Client) Watch(ctx context.Context, asset string, each func(Status)) (Status, error) {
	if each == nil {
		each = func(Status) {}
	}
	retry := c.retries()
	for {
		last, err := c.follow(ctx, asset, func(s Status) {
			retry.progress()
			each(s)
		})
		if err == nil {
			return last, nil
		}
		if err := retry.wait(ctx, err); err != nil {
			return last, err
		}
	}
}

// follow reads one stream. nil: it ended with a final status.
func (c *Client) follow(ctx context.Context, asset string, each func(Status)) (Status, error) {
	var last Status
	req, err := c.request(ctx, http.MethodGet, "/v1/assets/"+url.PathEscape(asset)+"/events", nil)
	if err != nil {
		return last, err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.do(req)
	if err != nil {
		return last, err
	}
	defer func() { _ = resp.Body.Close() }()
	err = readEvents(resp.Body, func(name string, data []byte) error {
		if name != "status" {
			return nil
		}
		var s Status
		if err := json.Unmarshal(data, &s); err != nil {
			return weir.Errorf(weir.Internal, "the server sent a status that is not JSON: %w", err)
		}
		last = s
		each(s)
		if s.Final() {
			return io.EOF
		}
		return nil
	})
	switch {
	case last.Final():
		return last, nil
	case ctx.Err() != nil:
		return last, ctx.Err()
	case weir.KindOf(err) == weir.Internal && errors.As(err, new(*weir.Error)):
		return last, err
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	return last, &broken{fmt.Errorf("follow asset: %w", err)}
}

// maxEventLine bounds a line of an event stream.
const maxEventLine = 1 << 20

// readEvents reads a text/event-stream (WHATWG HTML, section 9.2) and calls each for every event; data is valid until it
// returns. It ends with the stream or with each's error; io.EOF from it is a stop without one.
func readEvents(r io.Reader, each func(name string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxEventLine)
	name, data, has := "", []byte(nil), false
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if has {
				err := each(name, data)
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
			}
			name, data, has = "", data[:0], false
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			name = string(value)
		case "data":
			if has {
				data = append(data, '\n')
			}
			data, has = append(data, value...), true
		}
		if len(data) > maxEventLine {
			return weir.Errorf(weir.Internal, "an event is longer than %d bytes", maxEventLine)
		}
	}
	return lines.Err()
}
