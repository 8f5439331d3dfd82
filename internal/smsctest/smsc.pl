#!/usr/bin/perl
# A message centre by Net::SMPP, another author's library, for the tests of SMPP channels. It is told what to do by lines of
# JSON on its standard input, and tells what it sees by lines of JSON on its standard output. Texts are in hexadecimal.
use strict;
use warnings;
use IO::Select;
use JSON::PP;
use Net::SMPP;
use Time::HiRes qw(time);

$| = 1;
$SIG{PIPE} = 'IGNORE';
local $SIG{__WARN__} = sub { };    # the library's, of connections that end

my $json = JSON::PP->new->canonical;
my %behaviour = (password => 'secret', system_id => 'hotel', bind_status => 0, statuses => [], silent => 0, ids => 'decimal', receipts => '', window => 10);
my ($listener, $bound, @outbox, %flying, %conns, @later);
my ($seq, $count) = (0, 1_891_273_320);
my $select = IO::Select->new(\*STDIN);

sub report { print $json->encode({@_}), "\n" }

sub up {
    my $port = shift;
    $listener = Net::SMPP->new_listen('127.0.0.1', port => $port, listen => 16, smpp_version => 0x34, async => 1) or die "listening: $!";
    $select->add($listener);
    report(event => 'up', port => $listener->sockport + 0);
}

sub down {
    $select->remove($listener);
    close $listener;
    undef $listener;
    closed($_) for values %conns;
    report(event => 'down');
}

sub closed {
    my $conn = shift;
    $select->remove($conn);
    delete $conns{ fileno $conn };
    close $conn;
    if ($bound && $conn == $bound) {
        undef $bound;
        # What was not acknowledged is sent again, in order, by the next bind.
        unshift @outbox, map { $flying{$_} } sort { $a <=> $b } keys %flying;
        %flying = ();
        report(event => 'unbound');
    }
}

sub pump {
    while ($bound && @outbox && keys %flying < $behaviour{window}) {
        my $m = shift @outbox;
        my %o = map { $_ => pack('H*', $m->{options}{$_}) } keys %{ $m->{options} || {} };
        $seq++;
        $flying{$seq} = $m;
        $bound->deliver_sm(
            seq => $seq, async => 1, source_addr_ton => $m->{ton} // 1, source_addr_npi => 1, source_addr => $m->{from}, dest_addr_ton => 1,
            dest_addr_npi => 1, destination_addr => $m->{to}, esm_class => $m->{esm_class} || 0, data_coding => $m->{coding} || 0,
            short_message => pack('H*', $m->{text} // ''), %o);
    }
}

sub command {
    my $c = shift;
    if    ($c->{op} eq 'deliver') { push @outbox, $c }
    elsif ($c->{op} eq 'behave')  { $behaviour{$_} = $c->{behaviour}{$_} for keys %{ $c->{behaviour} } }
    elsif ($c->{op} eq 'drop')    { closed($_) for values %conns }
    elsif ($c->{op} eq 'down')    { down() }
    elsif ($c->{op} eq 'up')      { up($c->{port}) }
}

sub receipt {
    my ($id, $p) = @_;
    my $form = $behaviour{receipts} or return;
    my $told = $behaviour{ids} eq 'hex' ? hex $id : $id;
    my %options;
    if ($form =~ /tlv/) {
        $options{receipted_message_id} = unpack 'H*', "$told\0";
        $options{message_state}        = '02';
    }
    $options{user_message_reference} = unpack 'H*', $p->{user_message_reference} if $form =~ /reference/ && defined $p->{user_message_reference};
    my $text = $form =~ /text/ ? "id:$told sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 text:Hello" : '';
    push @later, [time + 0.02, { receipt => 1, from => $p->{destination_addr}, to => $p->{source_addr}, esm_class => 4, text => unpack('H*', $text), options => \%options }];
}

sub pdu {
    my ($conn, $p) = @_;
    my $cmd = $p->{cmd};
    if ($cmd == 9) {
        my $status = $behaviour{bind_status};
        $status ||= 0x0F if $p->{system_id} ne $behaviour{system_id};
        $status ||= 0x0E if $p->{password} ne $behaviour{password};
        $status ||= 0x05 if $bound;
        $conn->bind_transceiver_resp(seq => $p->{seq}, status => $status, system_id => 'SMSC');
        report(event => 'bind', status => $status);
        $bound = $conn unless $status;
    } elsif ($cmd == 6) {
        $conn->unbind_resp(seq => $p->{seq});
        report(event => 'unbind');
        closed($conn);
    } elsif ($cmd == 0x15) {
        $conn->enquire_link_resp(seq => $p->{seq});
    } elsif ($cmd == 4) {
        my $status = @{ $behaviour{statuses} } ? shift @{ $behaviour{statuses} } : 0;
        my $id     = $behaviour{ids} eq 'hex' ? sprintf('%X', ++$count) : ++$count;
        report(event => 'submit', status => $status, id => "$id", from => $p->{source_addr}, to => $p->{destination_addr}, ton => $p->{dest_addr_ton}, esm_class => $p->{esm_class},
            coding => $p->{data_coding}, text => unpack('H*', $p->{short_message}), registered => $p->{registered_delivery},
            options => { map { $_ => unpack('H*', $p->{$_}) } grep { defined $p->{$_} } qw(message_payload sar_msg_ref_num sar_total_segments sar_segment_seqnum user_message_reference) });
        receipt($id, $p) unless $status;
        if ($behaviour{silent} > 0) { $behaviour{silent}--; return }
        $conn->submit_sm_resp(seq => $p->{seq}, status => $status, message_id => $status ? '' : "$id");
    } elsif ($cmd == 0x80000005) {
        my $m = delete $flying{ $p->{seq} } or return;
        report(event => $m->{receipt} ? 'receipted' : 'acknowledged', id => $m->{id} // '', status => $p->{status});
        # A message that was not taken for now is sent again.
        push @later, [time + 0.1, $m] if $p->{status} && $p->{status} != 0x65;
    }
}

up($ARGV[0] || 0);
my $input = '';
while (1) {
    pump();
    for my $ready ($select->can_read(@later ? 0.01 : 1)) {
        if ($ready == \*STDIN) {
            sysread(STDIN, $input, 65536, length $input) or exit 0;
            command($json->decode($1)) while $input =~ s/^(.*)\n//;
        } elsif ($listener && $ready == $listener) {
            my $conn = $listener->accept or next;
            $conn->autoflush(1);
            $conns{ fileno $conn } = $conn;
            $select->add($conn);
        } elsif (defined fileno $ready) {
            my $p = $ready->read_pdu;
            $p ? pdu($ready, $p) : closed($ready);
        }
    }
    my $now = time;
    push @outbox, map { $_->[1] } grep { $_->[0] <= $now } @later;
    @later = grep { $_->[0] > $now } @later;
}
