package consul

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirstream/weir"
)

// Register implements [weir.Registry]. It tells the agent three times in ttl that the instance lives, and registers it anew
// when the agent has forgotten it. It returns nil when ctx has ended; if the instance could not be withdrawn within two
// seconds that is logged, and its time to live ends it.
//
// Each call is a Consul service of its own, and of two with one id watchers see the later, so the end of the earlier takes
// nothing away.
func (r *Registry) Register(ctx context.Context, instance weir.Instance, ttl time.Duration) error {
	if err := instance.Check(); err != nil {
		return err
	}
	if ttl <= 0 {
		return weir.Errorf(weir.Invalid, "an instance cannot live for %s", ttl)
	}
	now := time.Now()
	service, err := r.registration(instance, ttl, now, weir.NewID(now))
	if err != nil {
		return err
	}
	log := r.log.With("service", instance.Service, "instance", instance.ID)
	away := outage{log: log, max: min(lastRetry, ttl/3)}
	for known := false; ctx.Err() == nil; {
		delay := ttl/3 - jitter(ttl/30)
		if err := r.beat(ctx, service, known); err != nil {
			known, delay = false, away.failed(err) // whatever it was, the next try brings all there is to know
		} else {
			known = true
			away.over()
		}
		sleep(ctx, delay)
	}
	r.withdraw(ctx, service.ID, log)
	return nil
}

// beat says that the service lives. An agent that does not know it needs to be told of it first.
func (r *Registry) beat(ctx context.Context, service *api.AgentServiceRegistration, known bool) error {
	ctx, cancel := outlive(ctx, callWithin)
	defer cancel()
	if !known {
		options := api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx)
		if err := r.client.Agent().ServiceRegisterOpts(service, options); err != nil {
			return err
		}
	}
	options := (&api.QueryOptions{}).WithContext(ctx)
	return r.client.Agent().UpdateTTLOpts("service:"+service.ID, "", api.HealthPassing, options)
}

// withdraw is for when ctx has ended.
func (r *Registry) withdraw(ctx context.Context, id string, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	for {
		err := r.client.Agent().ServiceDeregisterOpts(id, (&api.QueryOptions{}).WithContext(ctx))
		var status api.StatusError
		if err == nil || errors.As(err, &status) && status.Code == http.StatusNotFound {
			return
		}
		sleep(ctx, firstRetry)
		if ctx.Err() != nil {
			log.Warn("instance not withdrawn from consul; its time to live ends it", "error", err)
			return
		}
	}
}
