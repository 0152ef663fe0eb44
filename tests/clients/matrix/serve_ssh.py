"""An SSH server for everybody, which repeats the command that it is asked to run: `serve_ssh.py CERTIFICATE`. Prints its port."""
import asyncio

import asyncssh


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return False


async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def repeat(process):
        process.stdout.write(f"{process.command}\n")
        process.exit(0)

    server = await asyncssh.create_server(Server, "127.0.0.1", 0, server_host_keys=[key], process_factory=repeat)
    print(server.get_port(), flush=True)
    await asyncio.Future()


asyncio.run(main())
