// Package web is the net/http kit of the control plane: an API of typed operations (huma) with an OpenAPI 3.1 page, handlers
// that return errors, the one table from kinds of error to HTTP, problem+json (RFC 9457), and what a request carries (its id,
// its organisation). It knows no service and no route. Nobody else in the control plane writes an error body.
package web
