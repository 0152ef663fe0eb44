"""Verifies a token with joserfc: gets its algorithm, the key and the token; writes its head and its claims."""

import json
import sys

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

algorithm, key, text = sys.argv[1:]
kinds = {"RS256": RSAKey, "ES256": ECKey, "HS256": OctKey}
token = jwt.decode(text, kinds[algorithm].import_key(key), algorithms=[algorithm])
print(json.dumps([token.header, token.claims]))
