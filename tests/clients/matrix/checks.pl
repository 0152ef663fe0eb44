# Perl's LWP: the checks of the matrix. Prints the version and one line of JSON for each check.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use IO::Socket::SSL;
use JSON::PP;
use LWP::UserAgent;

my ($down, $up) = (100 * 1024 * 1024, 20 * 1024 * 1024);
my ($web, $old, $denied, $expired, $name, $digest) = @ENV{qw(WEB OLD DENIED EXPIRED NAME DIGEST)};
my $agent = LWP::UserAgent->new(timeout => 60);

sub expect {
    my ($found, $wanted) = @_;
    die substr($found, 0, 300) . " instead of $wanted\n" unless $found eq $wanted;
}

sub refused {
    my ($url, $status, $reason) = @_;
    my $answer = $agent->get($url);
    expect($answer->code . $answer->decoded_content, $status) unless $answer->code eq $status;
    expect(decode_json($answer->decoded_content)->{reason}, $reason);
}

# A callback's death ends the transfer and becomes a header.
sub parts {
    my ($url, $write) = @_;
    my $answer = $agent->get($url, ':content_cb' => sub { $write->($_[0]) });
    die $answer->header('X-Died') . "\n" if $answer->header('X-Died');
    expect($answer->code, 200);
}

my @checks = (
    get => sub {
        my $answer = $agent->get("$web/version");
        expect(join(' ', $answer->code, $answer->header('x-version') // '', $answer->content), "200 HTTP/2.0 HTTP/2.0\n");
        expect($agent->get("$old/version")->content, "HTTP/1.1\n");
    },
    post => sub {
        my $echo = decode_json($agent->post("$web/echo", Content => 'the body')->content);
        expect("$echo->{method} $echo->{body}", 'POST the body');
    },
    stream => sub {
        my $text = '';
        parts("$web/parts/$name", sub {
            $text .= $_[0];
            LWP::UserAgent->new->get("$web/more/$name") if $text eq "one\n";
        });
        expect($text, "one\ntwo\n");
    },
    down => sub {
        my $sha = Digest::SHA->new(256);
        parts("$web/stream/$down", sub { $sha->add($_[0]) });
        expect($sha->hexdigest, $digest);
    },
    up => sub {
        my $body = '0123456789abcdef' x ($up / 16);
        expect(decode_json($agent->post("$web/upload", Content => $body)->content)->{sha256}, sha256_hex($body));
    },
    http2 => sub { die [ 'HTTP/1.1' ] },
    compressed => sub { expect($agent->get("$web/gzip")->decoded_content, "hello in gzip\n") },
    redirect => sub {
        expect($agent->get("$web/moved?$old/version")->content, "HTTP/1.1\n");
        refused("$web/moved?$denied/", 403, 'host_not_allowed');
    },
    denied => sub { refused("$denied/", 403, 'host_not_allowed') },
    certificate => sub { refused("$expired/", 502, 'upstream_tls_expired') },
    websocket => sub { die [ 'no WebSocket' ] },
);

$| = 1;
print encode_json({ version => "$LWP::UserAgent::VERSION, IO::Socket::SSL $IO::Socket::SSL::VERSION" }), "\n";
while (my ($check, $work) = splice @checks, 0, 2) {
    my ($result, $why) = ('pass', '');
    eval { $work->(); 1 } or ($result, $why) = ref $@ ? ('none', $@->[0]) : ('fail', "$@");
    print encode_json({ check => $check, result => $result, why => $why }), "\n";
}
