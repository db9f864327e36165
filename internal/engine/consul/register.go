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
// A ttl under a second is a second. Each call is a Consul service of its own, and of two with one id watchers see the later, so the end of the earlier takes
// nothing away.
func (r *Registry) Register(ctx context.Context, instance weir.Instance, ttl time.Duration) error {
	if err := instance.Check(); err != nil {
		return err
	}
	if ttl <= 0 {
		return weir.Errorf(weir.Invalid, "an instance cannot live for %s", ttl)
	}
	ttl = max(ttl, leastTTL)
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
			delay = away.failed(err)
		} else {
			known = true
			away.over()
		}
		sleep(ctx, delay)
	}
	r.withdraw(ctx, service.ID, log)
	return nil
}

// beat says that the service lives, and tells an agent that does not know it, or has forgotten it, what it is.
func (r *Registry) beat(ctx context.Context, service *api.AgentServiceRegistration, known bool) error {
	ctx, cancel := outlive(ctx, callWithin)
	defer cancel()
	if known {
		err := r.pass(ctx, service.ID)
		if !errors.As(err, new(api.StatusError)) {
			return err
		}
		r.log.Info("registering anew with consul", "service", service.ID, "error", err)
	}
	if err := r.client.Agent().ServiceRegisterOpts(service, api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx)); err != nil {
		return err
	}
	return r.pass(ctx, service.ID)
}

func (r *Registry) pass(ctx context.Context, id string) error {
	return r.client.Agent().UpdateTTLOpts("service:"+id, "", api.HealthPassing, (&api.QueryOptions{}).WithContext(ctx))
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
