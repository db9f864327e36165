package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
)

// channel is where a transaction that put facts says so when it is committed.
const channel = "weir_outbox"

// putFacts stores facts in the transaction that makes them true; a relay publishes them after the commit. The caller has
// locked the row they tell of, so that the next one to tell of it gets a larger id. A fact that the bus would refuse is
// refused here (TooLarge), where it can still be undone.
func putFacts(ctx context.Context, tx pgx.Tx, facts []weir.Fact) error {
	for _, f := range facts {
		b, err := json.Marshal(f)
		if err != nil {
			return weir.Errorf(weir.Internal, "encode fact %s: %w", f.Type, err)
		}
		if len(b) > weir.MaxMessageBytes {
			return weir.Errorf(weir.TooLarge, "a fact of type %s has %d bytes, more than %d", f.Type, len(b), weir.MaxMessageBytes)
		}
		_, err = change(ctx, tx, "INSERT INTO outbox (organisation, subject, fact) VALUES ($1, $2, $3)", f.Organisation, f.Subject, b)
		if err != nil {
			return fmt.Errorf("put fact %s: %w", f.Type, err)
		}
	}
	if len(facts) == 0 {
		return nil
	}
	_, err := change(ctx, tx, "SELECT pg_notify($1, '')", channel) // many in a transaction are one
	return err
}
