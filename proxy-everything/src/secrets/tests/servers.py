# The servers that hand out secrets, for tests: an OAuth server, which is Authlib's; GitHub's one question, with the assertion verified
# by PyJWT; and of Vault what the tests cannot have of a real one: the second version of the key-value engine, leases, and the login of
# Kubernetes, as its documentation describes them. Tells its first line where it is, then answers lines of orders on its input, and
# ends with that.

import datetime, json, os, ssl, sys, tempfile, threading, time, uuid

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import jwt
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7523 import JWTBearerGrant
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask, Response, jsonify, redirect, request
from joserfc.jwk import ECKey, RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

CLIENT, SECRET = "client:1", "s%cret:+/&canary"
PUBLIC = "public"
told = {"expires_in": 3600, "status": 200, "lease": 3600, "renewable": True, "delay": 0}
seen, tokens, refresh_tokens, leases = {}, [], {"first-refresh-canary": CLIENT, "public-refresh-canary": PUBLIC}, {}
vault_tokens = {"root-token-canary"}
fields = {"password": "v2-canary", "other": "more"}
rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ec_key = ec.generate_private_key(ec.SECP256R1())
lock = threading.Lock()


def pem(key, format):
    return key.private_bytes(serialization.Encoding.PEM, format, serialization.NoEncryption()).decode()


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


app = Flask(__name__)


@app.before_request
def count():
    with lock:
        seen.setdefault(request.path, []).append(
            {"method": request.method, "headers": dict(request.headers), "body": request.get_data(as_text=True)}
        )
    time.sleep(told["delay"])
    if told["status"] != 200:
        words = {"error": "server_error", "error_description": request.get_data(as_text=True), "errors": [str(request.headers)]}
        return jsonify(words), told["status"]


class Client(ClientMixin):
    def __init__(self, id):
        self.id = id

    def get_client_id(self):
        return self.id

    def get_allowed_scope(self, scope):
        return scope

    def check_client_secret(self, secret):
        return secret == SECRET

    def check_endpoint_auth_method(self, method, endpoint):
        return method in (["none"] if self.id == PUBLIC else ["client_secret_basic", "client_secret_post"])

    def check_grant_type(self, grant_type):
        return True


def save(token, request):
    tokens.append(token["access_token"])
    if "refresh_token" in token:
        refresh_tokens[token["refresh_token"]] = request.client.id


server = AuthorizationServer(
    app, query_client=lambda id: Client(id) if id in (CLIENT, PUBLIC) else None, save_token=save
)


def generate(grant_type, client, user=None, scope=None, expires_in=None, include_refresh_token=True):
    token = {"token_type": "Bearer", "access_token": f"{grant_type.rsplit(':')[-1]}-{len(tokens) + 1}"}
    if told["expires_in"] is not None:
        token["expires_in"] = told["expires_in"]
    if scope:
        token["scope"] = scope
    if include_refresh_token:
        token["refresh_token"] = f"refresh-{uuid.uuid4()}"
    return token


server.register_token_generator("default", generate)


class Credentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class Found:
    def __init__(self, text):
        self.text = text

    def check_client(self, client):
        return refresh_tokens.get(self.text) == client.id

    def get_scope(self):
        return "read write"


class Refresh(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, text):
        return Found(text) if text in refresh_tokens else None

    def authenticate_user(self, found):
        return "somebody"

    def revoke_old_credential(self, found):
        refresh_tokens.pop(found.text, None)


class Assertion(JWTBearerGrant):
    def resolve_issuer_client(self, issuer):
        return Client(issuer)

    def get_audiences(self):
        return ["https://tokens.test", f"http://127.0.0.1:{plain.port}/token"]

    def extract_assertion(self, assertion):
        self.headers, payload = super().extract_assertion(assertion)
        seen.setdefault("assertions", []).append({"headers": self.headers, "payload": payload})
        return self.headers, payload

    def resolve_client_public_key(self, client):
        kind, key = (ECKey, ec_key) if self.headers["alg"] == "ES256" else (RSAKey, rsa_key)
        return kind.import_key(public(key))

    def authenticate_user(self, subject):
        return subject

    def has_granted_permission(self, client, user):
        return True


for grant in (Credentials, Refresh, Assertion):
    server.register_grant(grant)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/app/installations/<int:installation>/access_tokens")
def github(installation):
    scheme, _, assertion = request.headers["authorization"].partition(" ")
    try:
        claims = jwt.decode(assertion, public(rsa_key), algorithms=["RS256"], options={"require": ["exp", "iat", "iss"]})
    except jwt.PyJWTError:
        return jsonify(message="A JSON web token could not be decoded"), 401
    # GitHub's own rules for them.
    if scheme != "Bearer" or claims["exp"] - claims["iat"] > 600 or installation != 7 or "user-agent" not in request.headers:
        return jsonify(message="Integration not found"), 404
    tokens.append(f"ghs_{len(tokens) + 1}")
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=told["expires_in"])
    return jsonify(token=tokens[-1], expires_at=end.strftime("%Y-%m-%dT%H:%M:%SZ"), asked=claims["iss"]), 201


def answer(data, lease="", duration=0, renewable=False, auth=None):
    return jsonify(
        request_id=str(uuid.uuid4()), lease_id=lease, lease_duration=duration, renewable=renewable, data=data, auth=auth
    )


def allowed():
    return request.headers.get("x-vault-token") in vault_tokens and request.headers.get("x-vault-namespace") == "team"


@app.get("/v1/secret/data/app")
def second_version():
    if not allowed():
        return jsonify(errors=["permission denied"]), 403
    return answer({"data": fields, "metadata": {"version": 1, "destroyed": False}})


@app.get("/v1/database/creds/app")
def credentials():
    if not allowed():
        return jsonify(errors=["permission denied"]), 403
    number = len(seen[request.path])
    lease = f"database/creds/app/{number}"
    leases[lease] = {"renewed": 0}
    return answer({"username": f"user-{number}", "password": f"dynamic-{number}"}, lease, told["lease"], told["renewable"])


@app.put("/v1/sys/leases/renew")
def renew():
    if not allowed():
        return jsonify(errors=["permission denied"]), 403
    lease = leases.get(request.json["lease_id"])
    if not lease or not told["renewable"]:
        return jsonify(errors=["lease not found"]), 400
    lease["renewed"] += 1
    return answer(None, request.json["lease_id"], told["lease"], True)


@app.post("/v1/auth/kubernetes/login")
def login():
    if request.json != {"role": "proxy", "jwt": "service-account-canary"}:
        return jsonify(errors=["permission denied"]), 403
    token = f"login-canary-{uuid.uuid4()}"
    vault_tokens.add(token)
    return answer(None, auth={"client_token": token, "lease_duration": told["lease"], "renewable": True})


@app.post("/v1/auth/approle/login")
def role():
    if request.json != {"role_id": "web", "secret_id": "proof-canary"}:
        return jsonify(errors=["invalid role or secret ID"]), 400
    vault_tokens.add("role-canary")
    return answer(None, auth={"client_token": "role-canary", "lease_duration": told["lease"], "renewable": True})


@app.get("/v1/secret/<name>/app")
def first_version(name):
    if not allowed():
        return jsonify(errors=["permission denied"]), 403
    return answer(fields) if name == "web-1" else (jsonify(errors=[]), 404)


@app.post("/redirect")
def elsewhere():
    return redirect("/token", 307)


@app.post("/long")
def long():
    return Response(json.dumps({"access_token": "a" * 300_000}), mimetype="application/json")


@app.post("/text")
def text():
    return "<html>no JSON</html>"


@app.post("/empty")
def empty():
    return jsonify(access_token="")


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


def certificate():
    """An authority and a server's certificate of it, for `localhost` alone."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("authority", "localhost")]

    def signed(subject, key, *extensions):
        builder = x509.CertificateBuilder(names[0], names[subject], keys[subject].public_key(), x509.random_serial_number(), now - day, now + day)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    root = signed(0, keys[0], x509.BasicConstraints(ca=True, path_length=None))
    leaf = signed(1, keys[0], x509.SubjectAlternativeName([x509.DNSName("localhost")]))
    return root, leaf + pem(keys[1], serialization.PrivateFormat.PKCS8)


root, chain = certificate()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
with tempfile.NamedTemporaryFile("w") as file:
    file.write(chain)
    file.flush()
    context.load_cert_chain(file.name)
plain = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
secure = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, ssl_context=context)
for one in (plain, secure):
    threading.Thread(target=one.serve_forever, daemon=True).start()


def tell(words):
    print(json.dumps(words), flush=True)


tell(
    {
        "plain": plain.port,
        "secure": secure.port,
        "root": root,
        "rsa": pem(rsa_key, serialization.PrivateFormat.PKCS8),
        "rsa_old": pem(rsa_key, serialization.PrivateFormat.TraditionalOpenSSL),
        "ec": pem(ec_key, serialization.PrivateFormat.PKCS8),
    }
)
for line in sys.stdin:
    order = json.loads(line)
    with lock:
        told.update(order.get("set", {}))
        fields.update(order.get("fields", {}))
        if "forget" in order:
            vault_tokens.clear()
            leases.clear()
        tell({"seen": seen, "tokens": tokens, "refresh_tokens": list(refresh_tokens), "leases": leases})
