"""A mail server that keeps nothing: says each mail it is sent as one line of JSON.

Recipients whose address begins with `later` are refused the first time (451), those with `never` every time (550).
"""

import email
import json
import sys
import time
from email import policy

from aiosmtpd.controller import Controller


class Mailbox:
    def __init__(self):
        self.refused = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never"):
            return "550 5.1.1 there is no such mailbox"
        if address.startswith("later") and address not in self.refused:
            self.refused.add(address)
            return "451 4.3.0 come back later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=policy.default)
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        seen = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "headers": dict(mail.items()), "parts": parts}
        print(json.dumps(seen), flush=True)
        return "250 2.0.0 OK"


controller = Controller(Mailbox(), hostname="127.0.0.1", port=int(sys.argv[1]))
controller.start()
print("ready", flush=True)
sys.stdin.read()
