# Vectors of URI Signing, CloudFront, EdgeAuth, secure_link and of CATs with public keys. See README.
import base64, datetime, hashlib, http.client, json, os, socket, subprocess, sys, tempfile, time
import jwt
from akamai.edgeauth import EdgeAuth
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cwt import COSE, COSEHeaders, COSEKey
from jwcrypto import jwe, jwk, jws
import cbor2

NOW = 1800000000
PATH = '/asset1/3/cmaf/v1/7.m4s'
OK, NO, BAD = 'ok', 'forbidden', 'unauthenticated'
b64 = lambda b: base64.b64encode(b).decode()
b64u = lambda b: base64.urlsafe_b64encode(b).rstrip(b'=').decode()
pem = lambda k: k.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
secret = lambda n: ('test only secret of 32 bytes, %s.' % n).encode()
private = lambda k: k.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
TRAVERSALS = ['/asset1/../asset2/x', '/asset1/%2e%2e/x', '/asset1/%252e%252e/x', '/asset1//x', '/asset1/./x', '/asset1/a%2fb', '/asset1/.x']


class File:
    def __init__(self, name, signer, config):
        self.name, self.all, self.top = name, [], {'signer': signer, 'config': {'tokens': [config]}}

    def add(self, name, want, prefix=None, **more):
        v = dict(name=name, want=want, now=NOW, method='GET', scheme='https', host='edge.example', path=PATH, client='192.0.2.7')
        v.update(more)
        if prefix is not None:
            v['prefix'] = prefix
        self.all.append(v)

    def write(self):
        with open(os.path.join(sys.argv[1], self.name), 'w') as f:
            json.dump(dict(self.top, vectors=self.all), f, indent=1)


def flip(text, n):
    c = text[n]
    return text[:n] + ('A' if c != 'A' else 'B') + (text[n + 1:] if n != -1 else '')


def cat():
    e, d, p = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)
    f = File('cat-sign1.json', 'cwt (PyPI)', dict(format='cat', keys=[
        dict(kid='e', alg='ES256', organisation='acme', public=pem(e)), dict(kid='d', alg='EdDSA', organisation='acme', public=pem(d)),
        dict(kid='p', alg='PS256', organisation='acme', public=pem(p))]))
    keys = {'e': COSEKey.from_pem(private(e).decode(), kid='e', alg='ES256'), 'd': COSEKey.from_pem(private(d).decode(), kid='d'),
            'p': COSEKey.from_pem(private(p).decode(), kid='p', alg='PS256')}
    algs = {'e': -7, 'd': -8, 'p': -37}

    def sign(kid, claims, payload=None, protected=None, tag=None, named=None):
        claims = {4: NOW + 3600, **claims}
        raw = COSE.new().encode(payload or cbor2.dumps(claims), keys[kid], protected or {1: algs[kid]}, {4: (named or kid).encode()})
        if tag == 'none':
            raw = cbor2.dumps(cbor2.loads(raw).value)
        elif tag:
            raw = cbor2.dumps(cbor2.CBORTag(61, cbor2.CBORTag(tag, cbor2.loads(raw).value)))
        return b64u(raw)
    for kid in 'edp':
        f.add('signed ' + kid, OK, 'asset1/', query='CAT=' + sign(kid, {}))
        f.add('tag 61 ' + kid, OK, 'asset1/', query='CAT=' + sign(kid, {}, tag=18))
        f.add('no tag ' + kid, OK, 'asset1/', query='CAT=' + sign(kid, {}, tag='none'))
        f.add('path ' + kid, OK, 'asset1/3/', query='CAT=' + sign(kid, {312: {3: {1: '/asset1/3/'}}}))
        f.add('expired ' + kid, NO, query='CAT=' + sign(kid, {4: NOW - 1}))
        f.add('last byte ' + kid, BAD, query='CAT=' + flip(sign(kid, {}), -6))
        f.add('tag of a MAC ' + kid, BAD, query='CAT=' + sign(kid, {}, tag=17))
        f.add('crit ' + kid, BAD, query='CAT=' + sign(kid, {}, protected={1: algs[kid], 2: [99], 99: 1}))
    f.add('ALPN', OK, 'asset1/', query='CAT=' + sign('e', {314: [b'h2']}), alpn='h2')
    f.add('sha-256 as bytes', OK, '', query='CAT=' + sign('e', {312: {3: {-1: hashlib.sha256(PATH.encode()).digest()}}}))
    f.add('short prefix of RFC 9164', OK, 'asset1/', query='CAT=' + sign('e', {311: [cbor2.CBORTag(52, [24, b'\xc0\x00\x02'])]}))
    f.add('HEAD only is not widened', OK, '', query='CAT=' + sign('e', {313: ['HEAD']}), method='HEAD')
    f.add('parent-path exact is not widened', OK, '', query='CAT=' + sign('e', {312: {5: {0: '/asset1/3/cmaf/v1'}}}))
    f.add('ALPN not known', NO, query='CAT=' + sign('e', {314: [b'h2']}))
    f.add('key of another', BAD, query='CAT=' + sign('e', {}, named='d'))
    f.add('unknown key', BAD, query='CAT=' + sign('e', {}, named='z'))
    f.add('unknown claim', NO, query='CAT=' + sign('e', {65000: 1}))
    f.add('text claim', NO, query='CAT=' + sign('e', {'exp': 1}))
    f.add('proof of possession', NO, query='CAT=' + sign('e', {321: {0: 1}}))
    f.add('claim twice', BAD, query='CAT=' + sign('e', {}, b'\xa2\x04\x1a\x6b\x49\xe2\x00\x04\x1a\x6b\x49\xe3\x00'))
    f.add('open length', BAD, query='CAT=' + sign('e', {}, b'\xbf\x04\x1a\x6b\x49\xe2\x00\xff'))
    f.add('no expiry', NO, query='CAT=' + sign('e', {}, b'\xa1\x05\x01'))
    f.write()


def urisigning():
    e = ec.generate_private_key(ec.SECP256R1())
    seal = b'test only sealing key, 32 bytes.'
    f = File('urisigning-pyjwt.json', 'PyJWT 2.15.1, jwcrypto 1.6.1', dict(format='uri-signing', audiences=['edge'], encryption_key=b64(seal), keys=[
        dict(kid='a', alg='HS256', organisation='acme', secret=b64(secret('a'))), dict(kid='b', alg='HS256', organisation='acme', secret=b64(secret('b'))),
        dict(kid='e', alg='ES256', organisation='acme', public=pem(e))]))
    uri = 'https://edge.example' + PATH
    everything = 'regex:https://edge\\.example/asset1/3/.*'

    def sign(kid='a', key=None, alg=None, head=None, **claims):
        c = {'exp': NOW + 3600, 'cdniuc': everything, **claims}
        c = {k: v for k, v in c.items() if v is not None}
        return jwt.encode(c, key if key is not None else (e if kid == 'e' else secret(kid)), algorithm=alg or ('ES256' if kid == 'e' else 'HS256'), headers={'kid': kid, **(head or {})})

    def sealed(ip, key=seal):
        t = jwe.JWE(ip.encode(), json.dumps({'alg': 'dir', 'enc': 'A256GCM'}))
        t.add_recipient(jwk.JWK(kty='oct', k=b64u(key)))
        return t.serialize(compact=True)
    q = lambda t: 'URISigningPackage=' + t
    for kid in 'abe':
        f.add('regex ' + kid, OK, 'asset1/3/', query=q(sign(kid)))
        f.add('hash ' + kid, OK, '', query=q(sign(kid, cdniuc='hash:sha-256;' + b64u(hashlib.sha256(uri.encode()).digest()))))
        f.add('expired ' + kid, NO, query=q(sign(kid, exp=NOW)))
        f.add('signature ' + kid, BAD, query=q(flip(sign(kid), -6)))
        f.add('payload ' + kid, BAD, query=q(flip(sign(kid), 90)))
    f.add('cookie', OK, 'asset1/3/', cookies={'URISigningPackage': sign()})
    f.add('path parameter', OK, 'asset1/3/', path=PATH + ';URISigningPackage=' + sign())
    f.add('all claims', OK, 'asset1/3/', query=q(sign(iss='issuer', sub='jonas', aud='edge', nbf=NOW, iat=NOW, jti='session-0001', cdniv=1, cdnicrit='cdniip,exp', cdniip=sealed('192.0.2.7'))), session='session-0001', subject='jonas')
    f.add('prefix of addresses', OK, 'asset1/3/', query=q(sign(cdniip=sealed('192.0.2.0/24'))))
    f.add('whole site', OK, 'asset1/', query=q(sign(cdniuc='regex:https?://edge\\.example/.*')))
    f.add('one kind of file', OK, '', query=q(sign(cdniuc='regex:https://edge\\.example/asset1/.*\\.m4s')))
    f.add('alternatives are not widened', OK, '', query=q(sign(cdniuc='regex:https://x/.*|https://edge\\.example/asset1/.*')))
    f.add('renewed by cookie', OK, 'asset1/3/', query=q(sign(cdnistt=1, cdniets=30, cdnistd=2)), renewed=True)
    f.add('renewed in the query', OK, 'asset1/3/', query='x=1&' + q(sign(cdnistt=2, cdniets=30)), renewed=True)
    f.add('unknown claim, not critical', OK, 'asset1/3/', query=q(sign(other=1)))
    f.add('none', BAD, query=q(jwt.encode({'exp': NOW + 9, 'cdniuc': everything}, None, algorithm='none', headers={'kid': 'a'})))
    f.add('HMAC key of an ES256 id', BAD, query=q(sign('e', key=secret('a'), alg='HS256')))
    public = jws.JWS(json.dumps({'exp': NOW + 9, 'cdniuc': everything}))  # PyJWT will not do this
    public.add_signature(jwk.JWK(kty='oct', k=b64u(pem(e).encode())), None, json.dumps({'alg': 'HS256', 'kid': 'e'}))
    f.add('HMAC with the public key', BAD, query=q(public.serialize(compact=True)))
    f.add('ES256 of an HMAC id', BAD, query=q(sign('a', key=e, alg='ES256')))
    f.add('HS512', BAD, query=q(sign('a', key=secret('a') * 2, alg='HS512')))
    f.add('wrong key', BAD, query=q(sign('a', key=secret('x'))))
    f.add('unknown kid', BAD, query=q(sign('a', head={'kid': 'z'})))
    f.add('crit header', BAD, query=q(sign(head={'crit': ['z'], 'z': 1})))
    f.add('not yet', NO, query=q(sign(nbf=NOW + 1)))
    f.add('no expiry', NO, query=q(sign(exp=None)))
    f.add('no container', NO, query=q(sign(cdniuc=None)))
    f.add('other path', NO, query=q(sign(cdniuc='regex:https://edge\\.example/asset2/.*')))
    f.add('other host', NO, query=q(sign()), host='other.example')
    f.add('other scheme', NO, query=q(sign()), scheme='http')
    f.add('piece only', NO, query=q(sign(cdniuc='regex:asset1')))
    f.add('closing parenthesis', NO, query=q(sign(cdniuc='regex:a)|(.*')))
    f.add('other hash', NO, query=q(sign(cdniuc='hash:sha-256;' + b64u(hashlib.sha256(b'x').digest()))))
    f.add('other address', NO, query=q(sign(cdniip=sealed('192.0.2.8'))))
    f.add('sealed with another key', NO, query=q(sign(cdniip=sealed('192.0.2.7', b'x' * 32))))
    f.add('audience', NO, query=q(sign(aud=['nobody'])))
    f.add('critical unknown', NO, query=q(sign(cdnicrit='other', other=1)))
    f.add('version', NO, query=q(sign(cdniv=2)))
    f.add('truncated', BAD, query=q(sign()[:-9]))
    f.add('trailing', BAD, query=q(sign() + '.AAAA'))
    f.add('oversized', BAD, query=q(sign(sub='x' * 9000)))
    f.add('twice', BAD, query=q(sign()) + '&' + q(sign()))
    double = jwt.PyJWS().encode(b'{"exp":1,"exp":%d,"cdniuc":"regex:.*"}' % (NOW + 9), secret('a'), algorithm='HS256', headers={'kid': 'a'})
    f.add('claim twice', BAD, query=q(double))
    for p in TRAVERSALS:
        f.add('traversal ' + p, NO, path=p, query=q(sign(cdniuc='regex:.*')))
    f.write()


def cloudfront():
    r, e, x = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    f = File('cloudfront-botocore.json', 'botocore 1.44.8', dict(format='cloudfront', keys=[
        dict(kid='KTESTRSA', alg='RSA', organisation='acme', public=pem(r)), dict(kid='KTESTEC', alg='ECDSA', organisation='acme', public=pem(e))]))
    when = lambda t: datetime.datetime.fromtimestamp(t, datetime.timezone.utc)
    signers = {'KTESTRSA': lambda m: r.sign(m, padding.PKCS1v15(), hashes.SHA1()), 'KTESTEC': lambda m: e.sign(m, ec.ECDSA(hashes.SHA1())),
               'wrong': lambda m: x.sign(m, padding.PKCS1v15(), hashes.SHA1()), 'sha256': lambda m: r.sign(m, padding.PKCS1v15(), hashes.SHA256())}

    def url(name, want, prefix=None, path=PATH, kid='KTESTRSA', by=None, until=NOW + 3600, resource=None, after=None, ip=None, alter=lambda q: q, query='', policy=None, **more):
        s = CloudFrontSigner(kid, signers[by or kid])
        full = 'https://edge.example' + path + ('?' + query if query else '')
        if resource or policy:
            policy = policy or s.build_policy(resource, when(until), when(after) if after else None, ip)
            signed = s.generate_presigned_url(full, policy=policy)
        else:
            signed = s.generate_presigned_url(full, date_less_than=when(until))
        f.add(name, want, prefix, path=path, query=alter(signed.split('?', 1)[1]), **more)

    def cookies(name, want, prefix=None, **more):
        url(name, want, prefix, **more)
        v = f.all[-1]
        v['cookies'] = {'CloudFront-' + k: w for k, w in (p.split('=', 1) for p in v.pop('query').split('&'))}
    site = 'https://edge.example/'
    for kid in ('KTESTRSA', 'KTESTEC'):
        url('canned ' + kid, OK, '', kid=kid)
        url('canned with a query ' + kid, OK, '', kid=kid, query='a=1&b=2')
        url('custom ' + kid, OK, 'asset1/3/', kid=kid, resource=site + 'asset1/3/*')
        url('custom, address, from ' + kid, OK, 'asset1/3/', kid=kid, resource=site + 'asset1/3/*', ip='192.0.2.0/24', after=NOW - 1)
        cookies('cookies ' + kid, OK, 'asset1/', kid=kid, resource=site + '*')
        cookies('canned cookies ' + kid, OK, '', kid=kid)
        url('expired ' + kid, NO, kid=kid, until=NOW)
        url('signature ' + kid, BAD, kid=kid, alter=lambda q: q.replace('Signature=', 'Signature=AAAA'))
    url('any scheme', OK, 'asset1/', resource='http*://edge.example/asset1/*')
    url('everything', OK, 'asset1/', resource='*')
    url('question marks', OK, '', resource=site + 'asset1/?/cmaf/v1/?.m4s')
    url('one kind of file', OK, '', resource=site + 'asset1/*.m4s')
    url('star in the middle', OK, 'asset1/3/cmaf/', resource=site + '*/cmaf/*')
    url('SHA-256', OK, '', by='sha256', alter=lambda q: q + '&Hash-Algorithm=SHA256')
    url('any address', OK, 'asset1/', resource=site + '*', ip='0.0.0.0/0')
    url('custom expired', NO, resource=site + '*', until=NOW)
    url('not yet', NO, resource=site + '*', after=NOW + 1)
    url('other path', NO, resource=site + 'asset2/*')
    url('other host', NO, resource='https://other.example/*')
    url('other scheme', NO, resource=site + '*', scheme='http')
    url('other address', NO, resource=site + '*', ip='198.51.100.0/24')
    url('not an address', NO, resource=site + '*', ip='somewhere')
    for p in TRAVERSALS:
        url('traversal ' + p, NO, resource='*', path=p)
    url('canned, other host', BAD, host='other.example')
    url('canned, query added', BAD, alter=lambda q: 'x=1&' + q)
    url('canned, later', BAD, alter=lambda q: q.replace('Expires=18', 'Expires=19'))
    url('policy changed', BAD, resource=site + '*', alter=lambda q: q.replace('Policy=eyJ', 'Policy=eyA'))
    url('wrong key', BAD, by='wrong')
    url('unknown key', BAD, kid='KUNKNOWN', by='KTESTRSA')
    url('key of another type', BAD, kid='KTESTEC', by='KTESTRSA')
    url('hash not named', BAD, by='sha256')
    url('hash wrongly named', BAD, alter=lambda q: q + '&Hash-Algorithm=SHA256')
    url('unknown hash', BAD, alter=lambda q: q + '&Hash-Algorithm=MD5')
    url('truncated', BAD, alter=lambda q: q.replace('&Key-Pair-Id', '&x').replace('Signature=', 'Signature='))
    url('expiry and policy', BAD, resource=site + '*', alter=lambda q: q + '&Expires=1900000000')
    url('signature twice', BAD, alter=lambda q: q + '&Signature=AAAA')
    url('two statements', BAD, policy='{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":1900000000}}},{"Resource":"x"}]}')
    url('resource twice', BAD, policy='{"Statement":[{"Resource":"*","resource":"x","Condition":{"DateLessThan":{"AWS:EpochTime":1900000000}}}]}')
    url('unknown condition', BAD, policy='{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":1900000000},"X":1}}]}')
    url('no end', BAD, policy='{"Statement":[{"Resource":"*","Condition":{}}]}')
    url('trailing', BAD, policy='{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":1900000000}}}]}{}')
    url('oversized', BAD, query='x=' + 'y' * 9000)
    f.write()


def edgeauth():
    for early in (False, True):
        f = File('edgeauth-%s.json' % ('early' if early else 'plain'), 'akamai-edgeauth 0.3.2 (PyPI)', dict(format='edgeauth', header='X-Token', parameter='hdnts', cookie='hdnts', escape_early=early, salt='pepper' if early else '', keys=[
            dict(kid='a', alg='SHA256', organisation='acme', secret=b64(secret('a'))), dict(kid='b', alg='SHA256', organisation='acme', secret=b64(secret('b'))),
            dict(kid='s', alg='SHA1', organisation='acme', secret=b64(secret('s')))]))

        def sign(kid='a', acl=None, url=None, **o):
            o = dict(dict(end_time=NOW + 3600, algorithm='sha1' if kid == 's' else 'sha256', salt='pepper' if early else None, escape_early=early), **o)
            t = EdgeAuth(key=secret(kid).hex(), **o)
            return t.generate_url_token(url) if url else t.generate_acl_token(acl or '/asset1/3/*')
        q = lambda t: 'hdnts=' + t
        for kid in 'abs':
            f.add('acl ' + kid, OK, 'asset1/3/', query=q(sign(kid)))
            f.add('url ' + kid, OK, '', query=q(sign(kid, url=PATH)))
            f.add('expired ' + kid, NO, query=q(sign(kid, end_time=NOW)))
        f.add('list of acls', OK, 'asset1/', query=q(sign(acl=['/x/*', '/asset1/*'])))
        f.add('everything', OK, 'asset1/', query=q(sign(acl='/*')))
        f.add('one kind of file', OK, '', query=q(sign(acl='/asset1/*.m4s')))
        f.add('question mark', OK, 'asset1/3/', query=q(sign(acl='/asset1/?/*')))
        f.add('address, start, id, data', OK, 'asset1/3/', query=q(sign(ip='192.0.2.7', start_time=NOW, session_id='session-01', payload='u=1&v=2' if early else 'user')), session='session-01')
        f.add('escaped by the client', OK, 'asset1/3/', query=q(sign().replace('*', '%2A').replace('/', '%2F').replace('~', '%7E')))
        f.add('cookie', OK, 'asset1/3/', cookies={'hdnts': sign()})
        f.add('header', OK, 'asset1/3/', headers={'X-Token': sign()})
        f.add('other path', NO, query=q(sign(acl='/asset2/*')))
        f.add('prefix without a star', NO, query=q(sign(acl='/asset1/')))
        f.add('url of another', BAD, query=q(sign(url='/asset1/x')))
        f.add('not yet', NO, query=q(sign(start_time=NOW + 1)))
        f.add('other address', NO, query=q(sign(ip='192.0.2.8')))
        f.add('wrong key', BAD, query=q(sign('x')))
        f.add('wrong salt', BAD, query=q(sign(salt='other')))
        f.add('MD5', BAD, query=q(sign(algorithm='md5')))
        f.add('SHA-1 with a key for SHA-256', BAD, query=q(sign(algorithm='sha1')))
        f.add('later', BAD, query=q(sign().replace('exp=18', 'exp=19')))
        f.add('wider', BAD, query=q(sign().replace('/asset1', '')))
        f.add('field added', BAD, query=q('ip=192.0.2.7~' + sign()))
        f.add('last digit', BAD, query=q(flip(sign(), -1)))
        f.add('truncated', BAD, query=q(sign()[:-10]))
        f.add('trailing', BAD, query=q(sign() + '~'))
        f.add('no HMAC', BAD, query=q(sign().split('~hmac')[0]))
        f.add('twice', BAD, query=q(sign()) + '&' + q(sign()))
        f.add('field twice', BAD, query=q(sign(acl='/x/*~acl=/asset1/*')))
        f.add('unknown field', BAD, query=q(sign(acl='/asset1/*~x=1')))
        f.add('oversized', BAD, query=q(sign(payload='x' * 9000)))
        for p in TRAVERSALS:
            f.add('traversal ' + p, NO, path=p, query=q(sign(acl='/*')))
        f.write()


NGINX = '''daemon off; pid %(d)s/pid; error_log %(d)s/error; worker_processes 1; events {}
http { access_log off; client_body_temp_path %(d)s/b; proxy_temp_path %(d)s/p; fastcgi_temp_path %(d)s/f; uwsgi_temp_path %(d)s/u; scgi_temp_path %(d)s/s;
large_client_header_buffers 4 32k;
server { listen 127.0.0.1:%(port)d; location / { secure_link $arg_md5,$arg_expires; secure_link_md5 "$secure_link_expires$uri$remote_addr %(secret)s";
if ($secure_link = "") { return 401; } if ($secure_link = "0") { return 403; } return 200 ok; } } }'''


def securelink():
    now = int(time.time())
    f = File('securelink-nginx.json', 'nginx as the judge (nginx -v: 1.22.1), MD5 by hashlib', dict(format='secure-link', expression='$secure_link_expires$uri$remote_addr $secret', keys=[
        dict(kid='a', alg='MD5', organisation='acme', secret=b64(secret('a'))), dict(kid='b', alg='MD5', organisation='acme', secret=b64(secret('b')))]))
    with tempfile.TemporaryDirectory() as d:
        ports = {}
        running = []
        for kid in 'ab':
            with socket.socket() as s:
                s.bind(('127.0.0.1', 0))
                ports[kid] = s.getsockname()[1]
            with open(d + '/conf' + kid, 'w') as c:
                c.write((NGINX % dict(d=d, port=ports[kid], secret=secret(kid).decode())).replace(d + '/pid', d + '/pid' + kid))
            running.append(subprocess.Popen(['nginx', '-e', d + '/error', '-c', d + '/conf' + kid]))
        try:
            for kid in 'ab':
                for _ in range(100):
                    try:
                        socket.create_connection(('127.0.0.1', ports[kid])).close()
                        break
                    except OSError:
                        time.sleep(0.05)

            def add(name, want, path=PATH, kid='a', until=now + 10**8, client='127.0.0.1', alter=lambda q: q, signed=None, pad=False, judge=True):
                h = b64u(hashlib.md5(('%s%s%s ' % (until, signed or path, client)).encode() + secret(kid)).digest()) + ('==' if pad else '')
                query = alter('md5=%s&expires=%s' % (h, until))
                status = []
                for p in ports.values():  # two nginx, one a key: the better answer is that of a server with both
                    c = http.client.HTTPConnection('127.0.0.1', p)
                    c.request('GET', path + '?' + query)
                    status.append(c.getresponse().status)
                verdict = {200: OK, 403: NO, 401: BAD}.get(min(status, key=[200, 403, 401, 400, 414].index), 'error')
                if judge and verdict != want:
                    sys.exit('%s: nginx says %s, not %s' % (name, verdict, want))
                f.add(name, want, '' if want == OK else None, path=path, query=query, now=now, client='127.0.0.1')
                f.all[-1]['nginx'] = verdict
            for i in range(6):
                for kid in 'ab':
                    add('good %d %s' % (i, kid), OK, path='/asset%d/%d/cmaf/v1/%d.m4s' % (i, i + 1, i), kid=kid, until=now + 10**8 + i)
                    add('expired %d %s' % (i, kid), NO, path='/asset%d/x' % i, kid=kid, until=now - 10 ** i)
            add('padded', OK, pad=True)
            add('other parameters', OK, alter=lambda q: 'a=1&' + q + '&b=2')
            add('wrong key', BAD, kid='x')
            add('other path', BAD, signed='/asset1/x')
            add('other address', BAD, client='192.0.2.1')
            add('later', BAD, alter=lambda q: q.replace('expires=1', 'expires=2'))
            add('first byte', BAD, alter=lambda q: flip(q, 4))
            add('middle byte', BAD, alter=lambda q: flip(q, 14))
            add('truncated', BAD, alter=lambda q: q.replace('&expires', 'A&expires').replace('md5=', 'md5=A', 1))
            add('short', BAD, alter=lambda q: 'md5=' + q[8:])
            add('expiry with a sign', BAD, until='+1900000000')
            add('expiry 0', BAD, until=0)
            add('not a number', BAD, until='soon')
            add('not base64', BAD, alter=lambda q: 'md5=!!!!' + q[8:])
            # From here on Weir is stricter than nginx, which decodes and normalises the path, or takes the first of two.
            add('twice', BAD, alter=lambda q: q + '&' + q, judge=False)
            add('no expiry', BAD, alter=lambda q: q.split('&')[0], judge=False)
            add('oversized', BAD, alter=lambda q: q + '&x=' + 'y' * 9000, judge=False)
            for p in TRAVERSALS:
                add('traversal ' + p, NO, path=p, judge=False)
        finally:
            for p in running:
                p.terminate()
                p.wait()
    f.write()


if __name__ == '__main__':
    for make in (cat, urisigning, cloudfront, edgeauth, securelink):
        make()
