//! The list of all behaviours, by group.

use std::vec::Vec;

use super::{
    super::*, Behaviour, buffer::*, close::*, death::*, dial::*, error::*, half::*, ip::*, notifier::*, port::*,
    raw::*, shut::*, stream::*, subnet::*,
};
use crate::net::net_ref::NetRef;

/// All behaviours of all groups.
pub(super) fn all<N: NetRef + 'static>() -> Vec<Behaviour<N>> {
    let mut list = Vec::new();
    macro_rules! add {
        ([] $group:ident $($name:ident)*) => {
            $(list.push(Behaviour { name: stringify!($name), group: stringify!($group), body: $name::<N> });)*
        };
    }
    crate::__virtnet_behaviours!([add] [] always);
    crate::__virtnet_behaviours!([add] [] buffered);
    crate::__virtnet_behaviours!([add] [] rendezvous);
    crate::__virtnet_behaviours!([add] [] unread_resets);
    crate::__virtnet_behaviours!([add] [] fresh_port);
    crate::__virtnet_behaviours!([add] [] shared_port);
    crate::__virtnet_behaviours!([add] [] raw);
    crate::__virtnet_behaviours!([add] [] sized_buffer);
    crate::__virtnet_behaviours!([add] [] small_backlog);
    crate::__virtnet_behaviours!([add] [] fixed);
    crate::__virtnet_behaviours!([add] [] death);
    crate::__virtnet_behaviours!([add] [] links);
    crate::__virtnet_behaviours!([add] [] two_subnetworks);
    #[cfg(feature = "trace")]
    {
        use super::trace::*;
        crate::__virtnet_behaviours!([add] [] trace);
        crate::__virtnet_behaviours!([add] [] trace_rendezvous);
    }
    #[cfg(feature = "sim")]
    {
        use super::faults::*;
        crate::__virtnet_behaviours!([add] [] faults);
        crate::__virtnet_behaviours!([add] [] dials_in_flight);
        crate::__virtnet_behaviours!([add] [] bytes_in_flight);
        crate::__virtnet_behaviours!([add] [] death_in_flight);
        crate::__virtnet_behaviours!([add] [] time);
    }
    list
}

/// Passes the names of the behaviours of a group, and `args`, to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtnet_behaviours {
    ([$($do:tt)*] $args:tt always) => {
        $($do)*! { $args always
            listen_takes_the_lowest_free_port
            dials_and_listeners_share_one_space_of_ports
            a_closed_listeners_port_is_free
            closing_one_end_frees_only_that_ends_port
            a_dropped_connections_port_is_free
            a_second_close_does_not_disturb_the_new_owner
            a_closed_hosts_sockets_stay_until_each_is_dropped
            any_port_can_be_listened_on
            an_address_is_accepted_in_any_type
            each_host_made_has_the_next_ip_address
            a_host_is_dialled_by_its_ip_address
            wildcard_loopback_and_localhost_are_the_own_host
            a_name_wins_over_an_ip_address
            a_hint_tells_where_to_listen_and_of_a_name_in_another_case
            dial_and_accept_connect
            a_host_dials_itself
            dial_without_a_listener_is_refused
            dial_to_closed_listener_is_refused
            dial_to_closed_host_is_refused
            dial_to_unknown_host_names_both_ends
            dial_takes_its_port_then_parses_then_checks_host_and_network
            listen_parses_then_checks_the_host_name_then_host_and_network
            a_failed_dial_returns_its_port
            dial_takes_no_port_before_it_is_polled
            dials_are_accepted_in_arrival_order
            a_dropped_dial_is_withdrawn
            a_dropped_accept_loses_no_connection
            a_dropped_accept_passes_its_wake_up_on
            a_dial_that_timed_out_leaves_no_trace
            an_accept_that_timed_out_leaves_no_trace
            a_ready_outcome_wins_over_an_expired_timeout
            try_accept_returns_the_next_connection_or_would_block
            each_of_several_accepts_gets_a_connection
            incoming_ends_when_the_listener_is_closed
            a_failed_network_is_down_and_every_close_reports_the_cause
            a_failure_after_the_close_is_ignored
            a_network_is_down_before_its_failure_is_awaited
            bytes_arrive_in_order_in_both_directions
            reading_does_not_hinder_writing
            writing_does_not_hinder_reading
            read_returns_the_available_bytes
            read_waits_for_the_first_byte
            a_dropped_read_takes_nothing
            an_empty_buffer_completes_at_once
            peek_leaves_the_bytes
            half_close_ends_one_direction
            half_close_wakes_readers
            half_close_wakes_writers
            after_the_peer_closed_reads_end_and_writes_fail
            close_read_ends_own_reads_and_lets_the_peer_write
            close_read_wakes_waiting_tasks
            an_abort_is_reported_after_close_read
            abort_resets_the_peer
            abort_wakes_readers
            abort_wakes_writers
            each_of_several_readers_is_woken
            each_of_several_writers_is_woken
            readiness_matches_the_next_read_or_write
            waiting_for_readiness_may_time_out
            connections_are_std_streams
            connections_are_embedded_streams
            a_read_timeout_leaves_no_trace
            timeouts_are_shared_by_clones_and_halves
            available_bytes_win_over_a_short_timeout
            a_timeout_of_zero_is_invalid
            borrowed_halves_work_concurrently
            a_dropped_write_half_ends_the_stream
            a_dropped_read_half_closes_nothing
            halves_are_reunited
            after_network_close_everything_fails
            network_close_wakes_all_waiting_tasks
            after_host_close_the_host_is_down
            a_host_can_be_made_while_other_hosts_are_closed
            host_close_wakes_all_waiting_tasks
            closing_the_host_of_a_listener_refuses_its_dials
            listener_close_fails_accepts_and_refuses_dials
            listener_close_leaves_accepted_connections
            connection_close_fails_both_ends
            connection_close_wakes_all_waiting_tasks
            the_outermost_cause_is_reported_even_for_sockets_closed_before
            a_reset_is_reported_only_if_nothing_is_down
            malformed_addresses_are_reported_before_a_closed_host_or_network
            a_closed_host_keeps_its_name
            an_invalid_name_makes_no_host
            closing_the_last_host_closes_the_network_if_configured
            the_network_outlives_its_hosts_by_default
            concurrent_closes_all_return
            a_blocking_close_is_done_before_its_timeout
            an_error_names_operation_addresses_and_cause
            an_error_marks_truncated_names
            an_error_is_one_of_std_and_of_embedded_io
        }
    };
    ([$($do:tt)*] $args:tt buffered) => {
        $($do)*! { $args buffered
            write_is_done_before_the_peer_reads
            write_waits_while_the_buffer_is_full
            a_dropped_write_has_written_nothing
            buffered_bytes_are_read_after_the_peer_closed
            a_write_timeout_has_written_nothing
            vectored_reads_and_writes_use_all_buffers
        }
    };
    ([$($do:tt)*] $args:tt rendezvous) => {
        $($do)*! { $args rendezvous
            write_is_done_when_the_peer_has_read
            a_read_does_not_cross_the_end_of_a_write
            a_close_withdraws_unread_bytes
            an_abort_reports_the_bytes_read
            a_close_of_network_or_host_reports_the_bytes_read
            a_write_timeout_withdraws_unread_bytes
            a_dropped_write_leaves_a_stream_that_works
            a_writer_polled_late_gets_its_own_count
        }
    };
    ([$($do:tt)*] $args:tt unread_resets) => {
        $($do)*! { $args unread_resets
            an_end_closed_with_bytes_unread_resets
            a_dropped_half_resets_nothing
            a_reset_wakes_waiting_tasks
            bytes_dropped_by_close_read_are_not_unread
        }
    };
    ([$($do:tt)*] $args:tt fresh_port) => {
        $($do)*! { $args fresh_port
            connections_take_the_lowest_free_ports
            a_queued_dial_reserves_no_port_at_its_listener
            a_full_port_table_of_a_growing_network_is_named_in_the_error
            dial_to_port_of_accepted_connection_is_refused
        }
    };
    ([$($do:tt)*] $args:tt shared_port) => {
        $($do)*! { $args shared_port
            an_accepted_connection_keeps_the_listeners_port
            a_shared_port_is_in_use_while_any_connection_lives
            dial_to_port_of_connections_without_listener_is_refused
            a_pair_in_use_is_not_dialled_again
            a_pair_is_free_when_a_dial_for_it_was_withdrawn
            a_pair_in_use_is_not_dialled_again_by_an_ip_address
        }
    };
    ([$($do:tt)*] $args:tt raw) => {
        $($do)*! { $args raw
            writes_succeed_while_a_closed_peer_lingers
            a_full_socket_has_room_again_once_its_bytes_were_read
            a_socket_does_not_know_what_its_peer_has_read
            bytes_that_arrived_before_an_abort_are_read
            a_reset_after_the_end_of_the_stream_is_a_broken_pipe
        }
    };
    ([$($do:tt)*] $args:tt sized_buffer) => {
        $($do)*! { $args sized_buffer
            a_buffer_holds_its_size
        }
    };
    ([$($do:tt)*] $args:tt small_backlog) => {
        $($do)*! { $args small_backlog
            a_full_backlog_refuses
        }
    };
    ([$($do:tt)*] $args:tt fixed) => {
        $($do)*! { $args fixed
            a_full_port_table_refuses
            a_full_host_table_refuses
            a_full_pool_of_connections_refuses
        }
    };
    ([$($do:tt)*] $args:tt death) => {
        $($do)*! { $args death
            a_crash_resets_peers_and_a_restart_is_new
            what_a_dead_host_drops_is_not_seen
            a_crash_refuses_queued_dials
            a_crash_withdraws_the_hosts_dials
            an_accepted_dial_that_a_dead_host_drops_is_reset
            a_restarted_host_connects_from_port_1_again
            the_name_means_the_newest_host
            only_a_host_that_is_down_is_restarted
            a_crash_never_closes_the_network
            a_host_that_restarts_while_peers_dial_loses_no_dial
        }
    };
    ([$($do:tt)*] $args:tt links) => {
        $($do)*! { $args links
            an_incoming_connection_is_claimed_and_then_acknowledged
            a_claim_reserves_its_port
            a_refused_or_dropped_claim_lets_accept_wait_on
            a_withdrawn_claim_leaves_its_accept_to_the_next_connection
            a_connection_acknowledged_late_goes_to_the_next_accept
            a_connection_acknowledged_without_a_listener_is_closed
            an_acknowledged_connection_left_unaccepted_is_closed_with_its_listener
            connections_from_outside_are_accepted_in_arrival_order
            claims_never_exceed_pending_accepts
            a_withdrawn_connection_is_never_seen
            a_connection_handed_over_in_one_step_belongs_to_the_listener
            a_connection_without_a_listener_is_refused
            a_refused_stranger_leaves_no_name
            a_stranger_refused_by_a_full_table_leaves_nothing
            a_pair_from_outside_is_refused_twice_where_ports_are_shared
            a_connection_is_refused_when_its_listener_closes_meanwhile
            a_connection_to_a_network_that_is_down_is_refused
        }
    };
    ([$($do:tt)*] $args:tt two_subnetworks) => {
        $($do)*! { $args two_subnetworks
            hosts_of_two_subnetworks_dial_each_other
            a_name_of_the_other_subnetwork_is_taken
            a_host_across_is_dialled_by_its_ip_address
            a_name_across_wins_for_dials_only
            a_dial_across_without_a_listener_is_refused
            a_pair_in_use_is_refused_across
            a_dial_across_is_withdrawn_when_it_is_dropped
            a_dial_across_that_fails_leaves_no_name
            the_end_of_one_subnetwork_is_the_end_of_the_stream_for_the_other
            closing_one_end_ends_the_stream_across
        }
    };
    ([$($do:tt)*] $args:tt trace) => {
        $($do)*! { $args trace
            the_quick_start_is_fourteen_lines
            recorded_failures_have_the_text_of_their_errors
            a_dial_without_a_port_never_began_where_the_capacity_is_known
            a_dial_that_is_dropped_or_times_out_is_told
            half_close_then_drop_is_told
            an_abort_is_told_once
            a_close_tells_that_it_resets_where_it_does
            a_full_buffer_cuts_a_write_where_its_size_is_known
            a_closed_host_is_one_line
            a_second_close_is_not_told
        }
    };
    ([$($do:tt)*] $args:tt trace_rendezvous) => {
        $($do)*! { $args trace_rendezvous
            a_rendezvous_is_told_at_both_ends
            a_closed_host_is_one_line
            a_second_close_is_not_told
        }
    };
    ([$($do:tt)*] $args:tt faults) => {
        $($do)*! { $args faults
            one_way_cut_lets_the_other_way_flow
            reset_cut_fails_both_ends_and_refuses
            repair_delays_what_was_in_flight_by_the_cut
            release_gives_all_at_once_in_sending_order
            release_does_not_repair_and_repair_does_not_release
            flapping_partitions_never_change_bytes
            jitter_never_reorders
        }
    };
    ([$($do:tt)*] $args:tt dials_in_flight) => {
        $($do)*! { $args dials_in_flight
            latency_is_paid_by_syn_answer_and_bytes
            refusal_takes_a_round_trip
            a_partition_freezes_a_syn
        }
    };
    ([$($do:tt)*] $args:tt bytes_in_flight) => {
        $($do)*! { $args bytes_in_flight
            a_stalled_writer_feels_backpressure
            close_arrives_after_the_bytes
            abort_arrives_in_its_turn
            bytes_of_an_end_that_timed_out_never_arrive
            bandwidth_is_shared_by_a_direction
        }
    };
    ([$($do:tt)*] $args:tt death_in_flight) => {
        $($do)*! { $args death_in_flight
            a_crash_reaches_peers_and_a_restart_is_new
            power_off_leaves_peers_half_open
            dials_to_a_host_without_power_wait_for_its_restart
        }
    };
    ([$($do:tt)*] $args:tt time) => {
        $($do)*! { $args time
            virtual_time_is_exact_and_fast
            time_stands_still_while_a_participant_runs
            a_deadlock_is_told
        }
    };
}

/// Makes a test for each behaviour.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtnet_tests {
    ([$make:expr] $group:ident $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::testing::run(stringify!($name), $make);
            }
        )*
    };
}

/// Makes a module with a `#[test]` for each behaviour of the [suite](crate::testing) in the given groups and in
/// `always`. The arguments are the module's name, a function that makes a new [`Setup`](crate::testing::Setup), and the
/// groups. One test fails if these are not the groups that apply to the network.
///
/// # Examples
///
/// See the [suite](crate::testing).
#[macro_export]
macro_rules! conformance {
    ($module:ident, $make:expr, [$($group:ident),* $(,)?]) => {
        mod $module {
            #[allow(unused_imports, reason = "the function may be named by a whole path")]
            use super::*;

            #[test]
            fn the_groups_are_those_of_the_network() {
                $crate::testing::check_groups(&[$(stringify!($group)),*], &($make)());
            }

            $crate::__virtnet_behaviours!([$crate::__virtnet_tests] [$make] always);
            $($crate::__virtnet_behaviours!([$crate::__virtnet_tests] [$make] $group);)*
        }
    };
}
