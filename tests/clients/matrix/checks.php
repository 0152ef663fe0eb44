<?php
// PHP's extension curl, or with the argument `streams` its own `https://` streams: the checks of the matrix. Prints the version and one line
// of JSON for each check.
const DOWN = 100 * 1024 * 1024;
const UP = 20 * 1024 * 1024;
ini_set('memory_limit', '256M');
$streams = ($argv[1] ?? '') === 'streams';
foreach (['WEB', 'OLD', 'DENIED', 'EXPIRED', 'NAME', 'DIGEST'] as $name) {
    define($name, getenv($name));
}

class Cannot extends Exception {}

function expect($found, $wanted) {
    if ($found !== $wanted) {
        throw new Exception(substr(json_encode($found), 0, 300) . ' instead of ' . json_encode($wanted));
    }
}

// Status, headers, body, version of HTTP. Pieces go to $write as they come.
function ask_curl($method, $url, $body, $write) {
    [$curl, $headers] = [curl_init($url), []];
    curl_setopt_array($curl, [CURLOPT_CUSTOMREQUEST => $method, CURLOPT_FOLLOWLOCATION => true, CURLOPT_TIMEOUT => 60, CURLOPT_ENCODING => '']);
    curl_setopt($curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    if ($body !== null) {
        curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
    }
    curl_setopt($curl, CURLOPT_WRITEFUNCTION, function ($_, $part) use ($write) {
        $write($part);
        return strlen($part);
    });
    curl_setopt($curl, CURLOPT_HEADERFUNCTION, function ($_, $line) use (&$headers) {
        [$name, $value] = array_pad(explode(':', $line, 2), 2, '');
        $headers[strtolower($name)] = trim($value);
        return strlen($line);
    });
    if (curl_exec($curl) === false) {
        throw new Exception(curl_error($curl));
    }
    $version = curl_getinfo($curl, CURLINFO_HTTP_VERSION) === CURL_HTTP_VERSION_2_0 ? 'HTTP/2' : 'HTTP/1.1';
    return [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $headers, $version];
}

function ask_streams($method, $url, $body, $write) {
    $options = ['method' => $method, 'content' => $body ?? '', 'ignore_errors' => true, 'timeout' => 60, 'protocol_version' => 1.1];
    $options['header'] = 'Connection: close';
    if ($body !== null) {
        $options['header'] .= "\r\nContent-Type: application/octet-stream";
    }
    $stream = @fopen($url, 'r', false, stream_context_create(['http' => $options]));
    if ($stream === false) {
        throw new Exception(error_get_last()['message'] ?? 'it failed');
    }
    [$status, $headers] = [0, []];
    foreach (stream_get_meta_data($stream)['wrapper_data'] as $line) {
        if (preg_match('#^HTTP/\S+ (\d+)#', $line, $found)) {
            $status = (int) $found[1];
        } else {
            [$name, $value] = explode(':', $line, 2);
            $headers[strtolower($name)] = trim($value);
        }
    }
    // Of a body in chunks it waits for as much as it is asked for.
    $length = str_contains($url, '/parts/') ? 4 : 65536;
    while (!feof($stream)) {
        $part = fread($stream, $length);
        if ($part !== false && $part !== '') {
            $write($part);
        }
    }
    return [$status, $headers, null];
}

function ask($method, $url, $body = null, $write = null) {
    global $streams;
    $content = '';
    $write ??= function ($part) use (&$content) {
        $content .= $part;
    };
    [$status, $headers, $version] = $streams ? ask_streams($method, $url, $body, $write) : ask_curl($method, $url, $body, $write);
    if ($streams && ($headers['content-encoding'] ?? '') === 'gzip') {
        $content = gzdecode($content);
    }
    return (object) ['status' => $status, 'headers' => $headers, 'body' => $content, 'version' => $version];
}

function refused($answer, $status, $reason) {
    expect([$answer->status, json_decode($answer->body)->reason ?? null], [$status, $reason]);
}

$checks = [
    'get' => function () {
        $answer = ask('GET', WEB . '/version');
        expect([$answer->status, $answer->headers['x-version'] ?? '', $answer->body], [200, 'HTTP/2.0', "HTTP/2.0\n"]);
        expect(ask('GET', OLD . '/version')->body, "HTTP/1.1\n");
    },
    'post' => function () {
        $echo = json_decode(ask('POST', WEB . '/echo', 'the body')->body);
        expect([$echo->method, $echo->body], ['POST', 'the body']);
    },
    'stream' => function () {
        $text = '';
        ask('GET', WEB . '/parts/' . NAME, null, function ($part) use (&$text) {
            $text .= $part;
            if ($text === "one\n") {
                ask('GET', WEB . '/more/' . NAME);
            }
        });
        expect($text, "one\ntwo\n");
    },
    'down' => function () {
        $digest = hash_init('sha256');
        ask('GET', WEB . '/stream/' . DOWN, null, fn($part) => hash_update($digest, $part));
        expect(hash_final($digest), DIGEST);
    },
    'up' => function () {
        $body = random_bytes(UP);
        expect(json_decode(ask('POST', WEB . '/upload', $body)->body)->sha256, hash('sha256', $body));
    },
    'http2' => function () {
        $version = ask('GET', WEB . '/version')->version;
        if ($version === null) {
            throw new Cannot('HTTP/1.1');
        }
        expect($version, 'HTTP/2');
    },
    'compressed' => fn() => expect(ask('GET', WEB . '/gzip')->body, "hello in gzip\n"),
    'redirect' => function () {
        expect(ask('GET', WEB . '/moved?' . OLD . '/version')->body, "HTTP/1.1\n");
        refused(ask('GET', WEB . '/moved?' . DENIED . '/'), 403, 'host_not_allowed');
    },
    'denied' => fn() => refused(ask('GET', DENIED . '/'), 403, 'host_not_allowed'),
    'certificate' => fn() => refused(ask('GET', EXPIRED . '/'), 502, 'upstream_tls_expired'),
    'websocket' => fn() => throw new Cannot('no WebSocket'),
];

$library = $streams ? OPENSSL_VERSION_TEXT : 'libcurl ' . curl_version()['version'];
echo json_encode(['version' => PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION . '.' . PHP_RELEASE_VERSION . ", $library"]), "\n";
foreach ($checks as $check => $work) {
    [$result, $why] = ['pass', ''];
    try {
        $work();
    } catch (Cannot $reason) {
        [$result, $why] = ['none', $reason->getMessage()];
    } catch (Throwable $error) {
        [$result, $why] = ['fail', $error->getMessage()];
    }
    echo json_encode(['check' => $check, 'result' => $result, 'why' => $why]), "\n";
}
