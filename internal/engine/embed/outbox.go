package embed

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	weir "github.com/weirstream/weir"
)

// putFact stores the fact in the transaction that makes it true; the relay publishes it after the commit. A fact that the
// bus would refuse is refused here (TooLarge), where it can still be undone.
func putFact(ctx context.Context, tx *sql.Tx, f weir.Fact) error {
	b, err := json.Marshal(f)
	if err != nil {
		return weir.Errorf(weir.Internal, "encode fact %s: %w", f.Type, err)
	}
	if len(b) > weir.MaxMessageBytes {
		return weir.Errorf(weir.TooLarge, "a fact of type %s has %d bytes, more than %d", f.Type, len(b), weir.MaxMessageBytes)
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO outbox (organisation, subject, fact) VALUES (?, ?, ?)",
		f.Organisation, f.Subject, b)
	if err != nil {
		return fmt.Errorf("put fact %s: %w", f.Type, err)
	}
	return nil
}
