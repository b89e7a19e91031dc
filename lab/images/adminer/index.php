<?php
// Adminer as Debian configures it. As in the official image ADMINER_DEFAULT_SERVER is what the form offers, and
// a PostgreSQL server is all that there is in this cluster.
if (!$_GET && $_SERVER['REQUEST_METHOD'] === 'GET') {
    $server = getenv('ADMINER_DEFAULT_SERVER') ?: 'localhost';
    header('Location: ?' . http_build_query(['pgsql' => $server, 'username' => 'postgres']));
    exit;
}
include '/etc/adminer/conf.php';
