# Ruby's own Net::HTTP: the checks of the matrix. Prints the version and one line of JSON for each check.
require "digest"
require "json"
require "net/http"
require "openssl"

WEB, OLD, DENIED, EXPIRED, NAME, DIGEST = %w[WEB OLD DENIED EXPIRED NAME DIGEST].map { |name| ENV.fetch(name) }
DOWN = 100 * 1024 * 1024
UP = 20 * 1024 * 1024

class Cannot < StandardError; end

def expect(found, wanted)
  raise "#{found.inspect[0, 300]} instead of #{wanted.inspect}" unless found == wanted
end

def open(url, request = Net::HTTP::Get, body = nil, &block)
  uri = URI(url)
  Net::HTTP.start(uri.host, uri.port, use_ssl: true, read_timeout: 60) do |http|
    http.request(request.new(uri), body, &block)
  end
end

def get(url)
  answer = open(url)
  answer["location"] ? get(answer["location"]) : answer
end

def refused(answer, status, reason)
  expect([answer.code, JSON.parse(answer.body)["reason"]], [status, reason])
end

CHECKS = {
  get: lambda {
    answer = get("#{WEB}/version")
    expect([answer.code, answer["x-version"], answer.body], ["200", "HTTP/2.0", "HTTP/2.0\n"])
    expect(get("#{OLD}/version").body, "HTTP/1.1\n")
  },
  post: lambda {
    echo = JSON.parse(open("#{WEB}/echo", Net::HTTP::Post, "the body").body)
    expect([echo["method"], echo["body"]], ["POST", "the body"])
  },
  stream: lambda {
    text = +""
    open("#{WEB}/parts/#{NAME}") do |answer|
      answer.read_body do |part|
        text << part
        get("#{WEB}/more/#{NAME}") if text == "one\n"
      end
    end
    expect(text, "one\ntwo\n")
  },
  down: lambda {
    digest = Digest::SHA256.new
    open("#{WEB}/stream/#{DOWN}") { |answer| answer.read_body { |part| digest << part } }
    expect(digest.hexdigest, DIGEST)
  },
  up: lambda {
    body = Random.bytes(UP)
    answer = JSON.parse(open("#{WEB}/upload", Net::HTTP::Post, body).body)
    expect(answer["sha256"], Digest::SHA256.hexdigest(body))
  },
  http2: -> { raise Cannot, "HTTP/1.1" },
  compressed: -> { expect(get("#{WEB}/gzip").body, "hello in gzip\n") },
  redirect: lambda {
    expect(get("#{WEB}/moved?#{OLD}/version").body, "HTTP/1.1\n")
    refused(get("#{WEB}/moved?#{DENIED}/"), "403", "host_not_allowed")
  },
  denied: -> { refused(get("#{DENIED}/"), "403", "host_not_allowed") },
  certificate: -> { refused(get("#{EXPIRED}/"), "502", "upstream_tls_expired") },
  websocket: -> { raise Cannot, "no WebSocket" },
}.freeze

$stdout.sync = true
puts JSON.generate(version: "#{RUBY_VERSION}, #{OpenSSL::OPENSSL_LIBRARY_VERSION}")
CHECKS.each do |check, work|
  result, why = "pass", ""
  begin
    work.call
  rescue Cannot => error
    result, why = "none", error.message
  rescue StandardError => error
    result, why = "fail", "#{error.class}: #{error.message}"
  end
  puts JSON.generate(check: check, result: result, why: why)
end
