/*
 * latency PORT: asks the server subject again and again on one connection until it is
 * told to stop or the server does, and prints for each request when it began (ns since
 * 1970) and how long the answer took (ns).
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void take_signal(int number)
{
	(void)number;
	stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool ask(int server)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static const char end[] = "\r\n\r\n42"; /* the server's one answer */
	char answer[4096];
	size_t length = 0;

	if (write(server, request, sizeof(request) - 1) != sizeof(request) - 1)
		return false;
	do {
		ssize_t got = read(server, answer + length, sizeof(answer) - length);

		if (got <= 0)
			return false;
		length += (size_t)got;
	} while (length < sizeof(end) - 1 ||
		 memcmp(answer + length - (sizeof(end) - 1), end, sizeof(end) - 1) != 0);
	return true;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(argc == 2 ? atoi(argv[1]) : 0)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int server = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 2 || connect(server, (struct sockaddr *)&address, sizeof(address))) {
		fprintf(stderr, "latency: cannot connect\nusage: latency PORT\n");
		return 1;
	}
	signal(SIGTERM, take_signal);
	while (!stop) {
		uint64_t start = now_ns();

		if (!ask(server))
			break;
		printf("%" PRIu64 " %" PRIu64 "\n", start, now_ns() - start);
	}
	close(server);
	return 0;
}
