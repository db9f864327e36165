// Package token verifies viewers' tokens that others signed: CTA-5007 Common Access Tokens, RFC 9246 URI Signing,
// CloudFront signed URLs and cookies, Akamai EdgeAuth 2.0 and nginx secure_link. A good one becomes a Grant, and Exchange
// turns a Grant into a native ticket. The package does no I/O, keeps no state but that of Once, and knows no HTTP library: the request, the
// time and the keys are arguments. It is not a signer, except for the renewals that a CAT or a URI Signing token asks for.
//
// It fails closed: a claim, field or option it does not know or cannot check refuses the token (of URI
// Signing: if cdnicrit names it), and so does a token that
// never expires. A token opens plain paths only: segments of [A-Za-z0-9._-] that do not start with a dot; nothing is
// decoded, so that nothing means something else after decoding. Details of errors never echo the token.
//
// # Scope
//
// Playlists name their segments relatively, so a useful native ticket opens a directory. It never opens more than the token:
// Grant.Prefix is the shortest directory above the requested file whose every path the token allows, and "" where there
// is none; then the request is let through and no ticket is made. By format:
//
//   - CAT: catu's path or parent-path with prefix-match (or path with contains-match inside the directory) opens the
//     directories that begin so; exact, suffix, regex, hashes, query, filename, stem and extension open the one request.
//     Without a path condition the asset opens: the first segment.
//   - URI Signing: cdniuc "regex:....*" opens the directories that the whole expression matches; "hash:" one file.
//   - CloudFront: a Resource that ends in * opens the directories that it matches; a canned policy one file.
//   - EdgeAuth: an acl that ends in * opens the directories that it matches; a url token one file.
//   - secure_link: an expression with $uri opens one file, with $uri_prefix that prefix.
//
// Host, method, header, country and protocol conditions are checked when the token is exchanged, not at every segment.
//
// A CAT that may be used once (catreplay) is counted when it is exchanged: the edge must look for its own ticket first, or
// a cookie's second request is a replay. secure_link's expressions join variables without marks between them: put a
// character that no path has between $uri and what follows it.
//
// # Configuration
//
// ParseConfig reads JSON; unknown fields are errors:
//
//	{"tokens": [
//	  {"format": "cat", "parameter": "CAT", "cookie": "CAT", "header": "CTA-Common-Access-Token",
//	   "issuers": ["example"], "audiences": ["edge"],
//	   "keys": [{"kid": "a", "alg": "HS256", "organisation": "acme", "secret": "<base64>"},
//	            {"kid": "b", "alg": "ES256", "organisation": "acme", "public": "-----BEGIN PUBLIC KEY-----..."}]},
//	  {"format": "uri-signing", "parameter": "URISigningPackage", "cookie": "URISigningPackage", "keys": [...]},
//	  {"format": "cloudfront", "keys": [{"kid": "K2JCJMDEHXQW5F", "alg": "RSA", "organisation": "acme", "public": "..."}]},
//	  {"format": "edgeauth", "parameter": "hdnts", "cookie": "hdnts", "salt": "", "escape_early": true,
//	   "keys": [{"kid": "a", "alg": "SHA256", "organisation": "acme", "secret": "<base64>"}]},
//	  {"format": "secure-link", "parameter": "md5", "expression": "$secure_link_expires$uri $remote_addr $secret",
//	   "keys": [{"kid": "a", "alg": "MD5", "organisation": "acme", "secret": "<base64>"}]}
//	]}
package token
