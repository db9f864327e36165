package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

// edgeCmd loads one cached segment over keep-alive connections.
type edgeCmd struct {
	Bin         string        `help:"The weir binary." default:"bin/weir" type:"existingfile"`
	Connections int           `help:"Keep-alive connections." default:"8"`
	For         time.Duration `help:"How long each size is loaded; at most a minute." default:"8s"`
}

// Run makes an asset whose segments are about 1 MB, warms one and asks for it again and again.
func (c edgeCmd) Run(e env) error {
	if c.For > time.Minute || c.Connections < 1 || c.Connections > 256 {
		return errors.New("at most a minute and 256 connections")
	}
	work, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return fmt.Errorf("make work folder: %w", err)
	}
	defer os.RemoveAll(work)
	master := work + "/noise.mp4"
	synth := exec.CommandContext(e.ctx, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i",
		"testsrc2=size=1280x720:rate=25:duration=12,noise=alls=30:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "8M", master)
	if out, err := synth.CombinedOutput(); err != nil {
		return fmt.Errorf("make a master: %w\n%s", err, out)
	}
	s, err := start(e.ctx, c.Bin, work+"/data", "--max-height", "720")
	if err != nil {
		return err
	}
	got, err := s.ingest(e.ctx, c.Bin, master)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	return errors.Join(c.measure(e, s, got.HLS), s.stop())
}

// measure loads one segment of every rendition, largest first.
func (c edgeCmd) measure(e env, s *server, hls string) error {
	playlist, err := get(e.ctx, hls)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%d keep-alive connections for %v, client on the same machine; CPU is the server's.\n\n", c.Connections, c.For)
	fmt.Fprintln(e.out, "| segment bytes | requests | requests/s | Gbps | requests per CPU-second | Gbps per CPU-second |")
	fmt.Fprintln(e.out, "|---|---|---|---|---|---|")
	for _, name := range regexp.MustCompile(`(?m)^[0-9a-z]+\.m3u8$`).FindAllString(string(playlist), -1) {
		target := strings.Replace(hls, "hls/main.m3u8", strings.TrimSuffix(name, ".m3u8")+"/2.m4s", 1)
		body, err := get(e.ctx, target)
		if err != nil {
			return err
		}
		before, _, err := s.cpu()
		if err != nil {
			return err
		}
		began := time.Now()
		n, err := load(e.ctx, target, c.Connections, c.For)
		if err != nil {
			return err
		}
		wall := time.Since(began).Seconds()
		after, _, err := s.cpu()
		if err != nil {
			return err
		}
		cpu, bits := (after - before).Seconds(), float64(n)*float64(len(body))*8/1e9
		fmt.Fprintf(e.out, "| %d | %d | %.0f | %.2f | %.0f | %.1f |\n", len(body), n, float64(n)/wall, bits/wall, float64(n)/cpu, bits/cpu)
	}
	return nil
}

func get(ctx context.Context, target string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", target, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", target, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", target, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 64<<20))
}

// load asks for target over n connections until the time is up and counts whole answers. It writes requests by hand and
// discards bodies, so that the client costs little beside the server.
func load(ctx context.Context, target string, n int, d time.Duration) (int, error) {
	u, err := url.Parse(target)
	if err != nil {
		return 0, fmt.Errorf("parse %s: %w", target, err)
	}
	host, err := net.ResolveTCPAddr("tcp4", u.Host)
	if err != nil || !host.IP.IsLoopback() {
		return 0, fmt.Errorf("%s is not a loopback address", u.Host)
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var mu sync.Mutex // guards total and errs
	var total int
	var errs error
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			count, err := loadOne(ctx, host.String(), u.RequestURI())
			mu.Lock()
			defer mu.Unlock()
			total, errs = total+count, errors.Join(errs, err)
		})
	}
	wg.Wait()
	return total, errs
}

func loadOne(ctx context.Context, host, uri string) (n int, err error) {
	conn, err := net.DialTimeout("tcp", host, 5*time.Second)
	if err != nil {
		return 0, fmt.Errorf("dial: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return 0, fmt.Errorf("deadline: %w", err)
	}
	request := []byte("GET " + uri + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
	r := bufio.NewReaderSize(conn, 256<<10)
	for ctx.Err() == nil {
		if _, err := conn.Write(request); err != nil {
			return n, fmt.Errorf("write request: %w", err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return n, fmt.Errorf("read answer: %w", err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return n, fmt.Errorf("read body: %w", err)
		}
		if resp.StatusCode != http.StatusOK {
			return n, fmt.Errorf("answer %s", resp.Status)
		}
		n++
	}
	return n, nil
}
