package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// role is a part of the process that runs until ctx ends.
type role struct {
	name string
	run  func(ctx context.Context) error
}

// run starts the roles, says when they are ready, and waits. When the context ends or a role fails, all stop, within the
// bound. Registrations are withdrawn first, so that others send nothing more while the roles still answer. The engines' own
// loops and the admin listener outlive the other roles, so that what those do last is still carried out and seen.
func (p *process) run(e env, roles []role) error {
	base, stopBase := context.WithCancel(context.WithoutCancel(e.ctx))
	defer stopBase()
	under, underCtx := errgroup.WithContext(base)
	work, workCtx := errgroup.WithContext(underCtx)
	workCtx, stopWork := context.WithCancel(workCtx)
	defer stopWork()
	frontCtx, stopFront := context.WithCancel(workCtx)
	defer stopFront()
	var front sync.WaitGroup
	var left roster
	for _, r := range roles {
		left.add(r.name)
		group, ctx, leave := work, workCtx, func() {}
		switch {
		case r.name == "engines" || r.name == "admin":
			group, ctx = under, underCtx
		case strings.HasPrefix(r.name, registrationOf):
			front.Add(1)
			ctx, leave = frontCtx, front.Done
		}
		group.Go(func() error {
			defer leave()
			defer left.remove(r.name)
			return r.until(ctx)
		})
	}
	defer context.AfterFunc(e.ctx, func() {
		p.ready.stop()
		stopFront()
		p.await(&front)
		stopWork()
	})()
	ended := make(chan error, 1)
	go func() {
		err := work.Wait()
		stopBase()
		ended <- errors.Join(err, under.Wait())
	}()
	p.announce(workCtx, e.out)
	<-workCtx.Done()
	p.ready.stop()
	p.log.Info("stopping")
	select {
	case err := <-ended:
		return err
	case <-time.After(p.cmd.Limits.StopWithin):
		var failed error
		if cause := context.Cause(workCtx); !errors.Is(cause, context.Canceled) {
			failed = cause
		}
		return errors.Join(failed, stuckError{left.names()})
	}
}

// await waits for a group, but not for long: a registry that is away must not keep the process.
func (p *process) await(group *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() {
		group.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(p.cmd.Limits.StopWithin / 4):
	}
}

// until runs a role until ctx ends, which is the only end that is no error.
func (r role) until(ctx context.Context) error {
	err := r.run(ctx)
	switch {
	case err == nil && ctx.Err() == nil:
		return fmt.Errorf("%s: it ended by itself", r.name)
	case err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled):
		return nil
	}
	return fmt.Errorf("%s: %w", r.name, err)
}

// stuckError says which roles did not stop within the bound.
type stuckError struct{ roles []string }

func (s stuckError) Error() string {
	return fmt.Sprintf("gave up waiting for %s to stop", strings.Join(s.roles, ", "))
}

// roster is which roles still run. The zero value is empty.
type roster struct {
	mu    sync.Mutex // guards roles
	roles []string
}

func (r *roster) add(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roles = append(r.roles, name)
}

func (r *roster) remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roles = slices.DeleteFunc(r.roles, func(n string) bool { return n == name })
}

func (r *roster) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.roles)
}
