// Java's own java.net.http: the checks of the matrix. Prints the version and one line of JSON for each check.

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;

public class Checks {
    static final int DOWN = 100 << 20, UP = 20 << 20;
    static final String WEB = System.getenv("WEB"), OLD = System.getenv("OLD"), DENIED = System.getenv("DENIED");
    static final HttpClient CLIENT = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build();

    interface Check {
        void run() throws Exception;
    }

    static HttpRequest.Builder to(String url) {
        return HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(60));
    }

    static HttpResponse<String> get(String url) throws Exception {
        return CLIENT.send(to(url).build(), BodyHandlers.ofString());
    }

    static HttpResponse<String> post(String url, byte[] body) throws Exception {
        return CLIENT.send(to(url).POST(BodyPublishers.ofByteArray(body)).build(), BodyHandlers.ofString());
    }

    static InputStream open(String url) throws Exception {
        return CLIENT.send(to(url).build(), BodyHandlers.ofInputStream()).body();
    }

    static void expect(Object found, Object wanted) throws IOException {
        if (!found.equals(wanted)) throw new IOException(found + " instead of " + wanted);
    }

    static void refused(HttpResponse<String> answer, int status, String reason) throws IOException {
        expect(answer.statusCode(), status);
        if (!answer.body().contains("\"reason\":\"" + reason + "\"")) throw new IOException(answer.body());
    }

    static void first() throws Exception {
        var answer = get(WEB + "/version");
        var version = answer.headers().firstValue("x-version").orElse("");
        expect(answer.statusCode() + version + answer.body(), "200HTTP/2.0HTTP/2.0\n");
        expect(get(OLD + "/version").body(), "HTTP/1.1\n");
    }

    static void echo() throws Exception {
        var echo = post(WEB + "/echo", "the body".getBytes()).body();
        expect(echo.contains("\"method\":\"POST\"") && echo.contains("\"body\":\"the body\""), true);
    }

    static void stream() throws Exception {
        try (var parts = open(WEB + "/parts/" + System.getenv("NAME"))) {
            expect(new String(parts.readNBytes(4)), "one\n");
            get(WEB + "/more/" + System.getenv("NAME"));
            expect(new String(parts.readAllBytes()), "two\n");
        }
    }

    static void down() throws Exception {
        var digest = MessageDigest.getInstance("SHA-256");
        try (var body = open(WEB + "/stream/" + DOWN)) {
            var buffer = new byte[65536];
            for (int length; (length = body.read(buffer)) > 0; ) digest.update(buffer, 0, length);
        }
        expect(HexFormat.of().formatHex(digest.digest()), System.getenv("DIGEST"));
    }

    static void up() throws Exception {
        var body = new byte[UP];
        for (int index = 0; index < UP; index++) body[index] = (byte) (index % 251);
        var digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
        expect(post(WEB + "/upload", body).body().contains(digest), true);
    }

    static void compressed() throws Exception {
        // It decodes nothing itself.
        try (var text = new GZIPInputStream(open(WEB + "/gzip"))) {
            expect(new String(text.readAllBytes()), "hello in gzip\n");
        }
    }

    static void redirect() throws Exception {
        expect(get(WEB + "/moved?" + OLD + "/version").body(), "HTTP/1.1\n");
        refused(get(WEB + "/moved?" + DENIED + "/"), 403, "host_not_allowed");
    }

    static void websocket() throws Exception {
        var heard = new CompletableFuture<String>();
        var listener = new WebSocket.Listener() {
            public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean last) {
                heard.complete(text.toString());
                return null;
            }
        };
        var url = URI.create(System.getenv("SOCKET") + "/echo");
        var socket = CLIENT.newWebSocketBuilder().buildAsync(url, listener).get(60, TimeUnit.SECONDS);
        socket.sendText("hello", true);
        expect(heard.get(60, TimeUnit.SECONDS), "hello");
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get(60, TimeUnit.SECONDS);
    }

    static String plain(Object text) {
        return String.valueOf(text).replaceAll("[\"\\\\\\p{Cntrl}]", " ");
    }

    public static void main(String[] arguments) {
        System.out.printf("{\"version\":\"%s\"}%n", Runtime.version());
        Map<String, Check> checks = new LinkedHashMap<>();
        checks.put("get", Checks::first);
        checks.put("post", Checks::echo);
        checks.put("stream", Checks::stream);
        checks.put("down", Checks::down);
        checks.put("up", Checks::up);
        checks.put("http2", () -> expect(get(WEB + "/version").version(), HttpClient.Version.HTTP_2));
        checks.put("compressed", Checks::compressed);
        checks.put("redirect", Checks::redirect);
        checks.put("denied", () -> refused(get(DENIED + "/"), 403, "host_not_allowed"));
        checks.put("certificate", () -> refused(get(System.getenv("EXPIRED") + "/"), 502, "upstream_tls_expired"));
        checks.put("websocket", Checks::websocket);
        checks.forEach((name, check) -> {
            String result = "pass", why = "";
            try {
                check.run();
            } catch (Exception error) {
                result = "fail";
                why = plain(error + " " + error.getCause());
            }
            System.out.printf("{\"check\":\"%s\",\"result\":\"%s\",\"why\":\"%s\"}%n", name, result, why);
        });
    }
}
