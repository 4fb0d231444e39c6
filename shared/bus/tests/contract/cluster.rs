//! Three replicas: the second conflict code, and the death of a leader.

use std::net::TcpListener;

use tidemill_bus::{Bus, Connect, Message, Retry};
use tidemill_kit::NatsServer;

use super::rig::{consumer, eventually, next, runs, within};

struct Cluster {
    servers: Vec<NatsServer>,
}

impl Cluster {
    fn start() -> Self {
        // Held together, so that they differ; free again when the servers bind them.
        let held: Vec<_> = (0..3)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
            .collect();
        let ports: Vec<_> = held
            .iter()
            .map(|listener| listener.local_addr().expect("address").port())
            .collect();
        drop(held);
        let routes: Vec<_> = ports
            .iter()
            .map(|port| format!("\"nats://127.0.0.1:{port}\""))
            .collect();
        let lines = |n: usize| {
            format!(
                "server_name: n{n}\njetstream {{ max_file: 1GB, max_mem: 64MB }}\n\
                 cluster {{ name: test, listen: \"127.0.0.1:{}\", routes: [{}] }}\n",
                ports[n],
                routes.join(", ")
            )
        };
        let servers = (0..3)
            .map(|n| NatsServer::start_with(&lines(n)).expect("nats-server"))
            .collect();
        Self { servers }
    }

    async fn connect(&self) -> Bus {
        let urls: Vec<_> = self.servers.iter().map(NatsServer::url).collect();
        let mut options = Connect::new(urls.join(","));
        options.replicas = 3;
        // Until the cluster has a leader, nobody answers.
        eventually("a cluster", async || Bus::connect(options.clone()).await.ok()).await
    }

    /// The number of the server that leads the stream `runs`.
    async fn leader(&self) -> usize {
        let alive = self.servers.iter().map(NatsServer::url).collect::<Vec<_>>();
        let raw = async_nats::connect(alive).await.expect("raw client");
        eventually("a leader", async || {
            let answer = raw.request("$JS.API.STREAM.INFO.runs", "".into()).await.ok()?;
            let info: serde_json::Value = serde_json::from_slice(&answer.payload).ok()?;
            info["cluster"]["leader"].as_str()?.strip_prefix('n')?.parse().ok()
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_keep_the_contract() {
    let mut cluster = Cluster::start();
    let bus = cluster.connect().await;
    eventually("the stream", async || bus.ensure_stream(&runs()).await.ok()).await;

    one_of_a_hundred_wins(&bus, &cluster.connect().await).await;
    a_lone_writer_never_conflicts(&bus).await;
    a_dead_leader_takes_nothing_along(&bus, &mut cluster).await;
}

/// The losers meet 10071 or 10164, and all hear that they lost.
async fn one_of_a_hundred_wins(bus: &Bus, other: &Bus) {
    for race in 0..5 {
        let subject = format!("run.{race}.claim");
        let racers: Vec<_> = (0..100)
            .map(|racer| {
                let bus = if racer % 2 == 0 { bus } else { other };
                bus.publish_pipelined(Message::new(subject.clone(), racer.to_string()).expecting(0))
            })
            .collect();
        let mut winners = 0;
        for racer in racers {
            match within("an outcome", racer).await {
                Ok(_) => winners += 1,
                Err(error) => assert!(error.is_conflict(), "{error}"),
            }
        }
        assert_eq!(winners, 1);
        assert_eq!(bus.read_all("runs", &subject, 0, false).await.expect("read").len(), 1);
    }
}

async fn a_lone_writer_never_conflicts(bus: &Bus) {
    let mut last = 0;
    for n in 0..300_u32 {
        let message = Message::new("run.lone.decision", n.to_string()).expecting(last);
        last = within("an answer", bus.publish(message))
            .await
            .expect("nobody else writes");
    }
    let log = bus.read_all("runs", "run.lone.decision", 0, false).await.expect("read");
    assert_eq!((log.len(), log.last().map(|stored| stored.sequence)), (300, Some(last)));
}

async fn a_dead_leader_takes_nothing_along(bus: &Bus, cluster: &mut Cluster) {
    const MESSAGES: usize = 200;
    let mut worker = bus.consumer(&consumer("c")).await.expect("consumer");
    let from = bus.last_sequence("runs").await.expect("last sequence");
    let mut reader = bus.reader("runs", "run.chain.*", 0, false).await.expect("reader");
    let writer = bus.clone();
    let written = tokio::spawn(async move {
        let mut stored = Vec::new();
        for n in 0..MESSAGES {
            stored.push(publish_once(&writer, n).await);
        }
        stored
    });
    eventually("some progress", async || {
        let last = bus.last_sequence("runs").await.ok()?;
        (last > from + 40).then_some(())
    })
    .await;
    let leader = cluster.leader().await;
    cluster.servers[leader].kill().expect("killed");
    let stored = within("all written", written).await.expect("writer");
    for &sequence in &stored {
        assert_eq!(
            within("the reader", reader.next()).await.expect("message").sequence,
            sequence
        );
    }
    let mut handled = std::collections::BTreeSet::new();
    while !stored.iter().all(|sequence| handled.contains(sequence)) {
        for delivery in next(&mut worker, 100).await {
            handled.insert(delivery.message.sequence);
            delivery.ack().await;
        }
    }
    cluster.servers[leader].restart().expect("restarted");
}

async fn publish_once(bus: &Bus, n: usize) -> u64 {
    let subject = format!("run.chain.{n}");
    let message = Message::new(subject.clone(), n.to_string()).expecting(0);
    let until_stored = async {
        loop {
            match bus.publish(message.clone()).await {
                Ok(sequence) => return sequence,
                Err(error) => assert!(!matches!(error.retry(), Retry::Never), "{error}"),
            }
            if let Ok(Some(stored)) = bus.last("runs", &subject).await {
                return stored.sequence;
            }
        }
    };
    within("a stored message", until_stored).await
}
