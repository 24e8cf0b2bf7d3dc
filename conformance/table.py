"""The results of all clients as a table in Markdown, a row for each feature."""

import sys


def main(path):
    with open(path) as file:
        results = [line.rstrip("\n").split("\t") for line in file]
    clients = list(dict.fromkeys(client for client, _, _ in results))
    features = list(dict.fromkeys(feature for _, feature, _ in results))
    found = {(client, feature): outcome for client, feature, outcome in results}
    print("| feature | " + " | ".join(clients) + " |")
    print("|---" * (len(clients) + 1) + "|")
    for feature in features:
        print(f"| {feature} | " + " | ".join(found.get((client, feature), "") for client in clients) + " |")


if __name__ == "__main__":
    main(sys.argv[1])
