"""What Schemathesis has to be told to send bodies of tus: they are bytes like any others."""

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
