//! One RabbitMQ broker for the test process.

use std::{path::Path, sync::OnceLock};

use crate::{keeper::Keeper, ports, postgres::command};

/// Starts the broker on the ports that it is given (for clients, for nodes, for the register), says `ready`, and stops it when its input ends, which is when the test process ends. Erlang's
/// register of nodes (epmd) is one of its own, so that no other broker on this machine hears of it.
const KEEPER: &str = r#"
set -eu
trap '' INT HUP TERM
node=$1 dist=$2 epmd_port=$3 secret=$4
folder=$(mktemp -d -t cutetube-rabbitmq.XXXXXX)
epmd= broker=
end() {
  # The broker's shell ends when its virtual machine does.
  [ -z "$broker" ] || { kill -KILL $(cat "$folder/pid" 2>/dev/null) "$broker"; wait "$broker"; } 2>/dev/null || true
  [ -z "$epmd" ] || { kill -KILL "$epmd"; wait "$epmd"; } 2>/dev/null || true
  rm -rf "$folder"
}
trap end EXIT
cd "$folder"
printf %s "$secret" >.erlang.cookie
chmod 600 .erlang.cookie
echo '[].' >plugins
export HOME=$folder ERL_EPMD_PORT=$epmd_port ERL_EPMD_ADDRESS=127.0.0.1
epmd -address 127.0.0.1 -port "$epmd_port" >epmd.log 2>&1 </dev/null &
epmd=$!
RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_NODENAME=cutetube@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
RABBITMQ_NODE_PORT=$node RABBITMQ_DIST_PORT=$dist RABBITMQ_MNESIA_BASE=$folder/mnesia RABBITMQ_LOG_BASE=$folder/log \
RABBITMQ_LOGS=- RABBITMQ_ENABLED_PLUGINS_FILE=$folder/plugins RABBITMQ_PID_FILE=$folder/pid \
RABBITMQ_CONFIG_FILES=$folder/none RABBITMQ_FEATURE_FLAGS_FILE=$folder/flags RABBITMQ_GENERATED_CONFIG_DIR=$folder/config \
RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none' \
  /usr/lib/rabbitmq/bin/rabbitmq-server >log.txt 2>&1 </dev/null &
broker=$!
until grep -q 'Server startup complete' log.txt; do
  kill -0 "$broker" 2>/dev/null || { cat epmd.log log.txt >&2; exit 1; }
  sleep 0.1
done
echo ready
cat >/dev/null
"#;

/// Where Debian puts the start script that runs as whoever calls it.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

struct Broker {
    port: u16,
    _keeper: Keeper,
}

/// The port of this process's broker, on 127.0.0.1, which the first call starts. `guest` with the password `guest` may do
/// everything in the virtual host `/`.
///
/// # Panics
/// When RabbitMQ is not installed, or does not start.
pub fn rabbitmq_port() -> u16 {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(Broker::start).port
}

impl Broker {
    fn start() -> Self {
        assert!(Path::new(SERVER).exists(), "tests need RabbitMQ: apt-get install rabbitmq-server");
        // Between finding free ports and using them another process may take one: then the next ones are tried.
        (0..5).find_map(|_| Self::try_start()).expect("RabbitMQ starts; its log is above")
    }

    fn try_start() -> Option<Self> {
        let port = ports::free();
        let keeper = Keeper::start(
            command(Path::new("/bin/bash"))
                .args(["-c", KEEPER, "rabbitmq-keeper"])
                .args([port, port + 1, port + 2].map(|port| port.to_string()))
                .arg(format!("cookie-{}-{port}", std::process::id())),
        )?;
        Some(Self { port, _keeper: keeper })
    }
}
