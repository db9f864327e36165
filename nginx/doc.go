// Package nginx makes the configuration of the nginx that stands in front of Weir: TLS and HTTP/2 for clients, gateways and
// edges behind it, and limits of what one client may ask.
//
// [Render] is pure and never lets a value become more than the one word it is: whatever comes from a registry, the result is
// a configuration that nginx reads as meant, or an error. [Follower] keeps a file true to a registry while servers come and
// go. Neither runs nginx: who uses the package says how a file is checked and nginx told to read it.
package nginx
