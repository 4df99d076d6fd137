//! Who has something to be sent: the prompt and the bulk row, see the module
//! above.

use std::collections::VecDeque;

use crate::base::limits::SEND_WORK_NS;
use crate::session::connection::Connection;
use crate::session::writing::Mark;

/// The rows of marked connections, by slot.
#[derive(Default)]
pub(super) struct Rows {
    pub prompt: Vec<u32>,
    pub bulk: VecDeque<u32>,
    /// Marks ever put into the bulk row, and those taken out of it.
    pub bulk_marked: u64,
    pub bulk_taken: u64,
}

impl Rows {
    /// Has a connection sent to in this turn.
    #[inline]
    pub fn mark_prompt(&mut self, connection: &mut Connection, index: u32) {
        if connection.writing.mark != Mark::Prompt {
            connection.writing.mark = Mark::Prompt;
            self.prompt.push(index);
        }
    }

    /// Has a receiver of a message sent to; returns the work that its publisher is
    /// charged for that. The bulk row is charged when it is sent to.
    #[inline(always)]
    pub fn mark_receiver(&mut self, connection: &mut Connection, index: u32, is_bulk: bool) -> u64 {
        if is_bulk {
            self.mark_bulk(connection, index);
            return 0;
        }
        self.mark_prompt(connection, index);
        SEND_WORK_NS
    }

    /// Has a connection sent to in this turn or a later one.
    #[inline]
    pub fn mark_bulk(&mut self, connection: &mut Connection, index: u32) {
        if connection.writing.mark == Mark::Unmarked {
            connection.writing.mark = Mark::Bulk;
            self.bulk.push_back(index);
            self.bulk_marked += 1;
        }
    }
}
