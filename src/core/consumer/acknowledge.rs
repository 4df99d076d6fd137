//! Acknowledgements as they come (ADR-15).

use super::Consumer;
use super::ack::{AckKind, AckToken};
use super::config::AckPolicy;
use super::effects::{AckOutcome, Fact};
use super::notes::Sequences;
use crate::base::moment::Moment;

impl Consumer {
    /// An acknowledgement: what stands behind `$JS.ACK.<stream>.<consumer>.` in its
    /// subject, and its body. `None` if the subject is none, or if there are no
    /// acknowledgements here: then nobody listens to it. What is asked for in addition
    /// is a request ([`Self::request`]) whose inbox is the reply.
    pub fn ack<'a>(&mut self, token: &[u8], body: &'a [u8], now: Moment) -> Option<AckOutcome<'a>> {
        if self.config.ack_policy == AckPolicy::None {
            return None;
        }
        let token = AckToken::read(token)?;
        self.used_at = now.mono;
        let answered = |is_answered| AckOutcome {
            is_answered,
            request: None,
        };
        Some(match AckKind::read(body) {
            AckKind::Done => answered(self.done(token, true, now)),
            AckKind::Next(request) => {
                self.done(token, true, now);
                AckOutcome {
                    is_answered: false,
                    request: Some(request),
                }
            }
            AckKind::Refused(delay_ns) => {
                self.refused(token, delay_ns, now);
                answered(true)
            }
            AckKind::InProgress => {
                let clock = self.clock(now);
                self.progress.in_progress(token.stream, clock);
                answered(true)
            }
            AckKind::Terminated(reason) => {
                let is_answered = self.done(token, false, now);
                self.facts.push(Fact::Terminated {
                    at: at(token),
                    deliveries: token.count,
                    reason: reason.into(),
                });
                answered(is_answered)
            }
            AckKind::Unknown => answered(true),
        })
    }

    /// A message is done. False if nobody is answered: it has not come so far.
    fn done(&mut self, token: AckToken, is_sampled: bool, now: Moment) -> bool {
        let stream = token.stream;
        if stream >= self.cursor.position() {
            return false;
        }
        let age_ns = self.progress.age_ns(stream, self.clock(now));
        let (freed, tells_freed) = (&mut self.freed, self.tells_freed);
        let is_new = self.progress.acknowledge(stream, |one| {
            if tells_freed {
                freed.push(one);
            }
        });
        let is_explicit = self.config.ack_policy == AckPolicy::Explicit;
        if is_new || is_explicit {
            self.last_acked = Some(now.wall);
        }
        if let Some(ack_time_ns) = age_ns.filter(|_| is_explicit && is_sampled)
            && self.is_sampled()
        {
            self.facts.push(Fact::Acked {
                at: at(token),
                deliveries: token.count,
                ack_time_ns,
            });
        }
        true
    }

    /// Whether this acknowledgement is one of those that are told of: of N in a hundred
    /// and one more (NATS 2.15).
    fn is_sampled(&mut self) -> bool {
        match self.config.sample_percent {
            0 => false,
            percent if percent >= 100 => true,
            percent => self.rng.below(100) <= percent,
        }
    }

    fn refused(&mut self, token: AckToken, delay_ns: Option<u64>, now: Moment) {
        let (floor, delivered) = (self.progress.floor(), self.progress.delivered());
        let is_open = token.consumer > floor.consumer && token.consumer <= delivered.consumer + 1;
        if !is_open {
            return;
        }
        let clock = self.clock(now);
        if self.progress.refuse(token.stream, delay_ns, clock) {
            self.facts.push(Fact::Refused {
                at: at(token),
                deliveries: token.count,
            });
        }
    }
}

fn at(token: AckToken) -> Sequences {
    Sequences {
        consumer: token.consumer,
        stream: token.stream,
    }
}
