// `ocpp-rpc` in strict mode, as told in a JSON object on standard input:
// {role, protocol, url, calls: [[action, request, answer]], answers: {action: answer}}.
// Each line on standard output is an event: ["port", n], ["asked", action, request],
// ["answered", action, answer], ["failed", action, text], ["invalid", text], ["done"], ["closed"].
const { RPCClient, RPCServer, createRPCError, createValidator } = require('ocpp-rpc');

// Version 2.2.1 looks for its schemas of OCPP 2.1 by ids that they do not have.
const schemas = require('ocpp-rpc/lib/schemas/ocpp2_1.json').map((schema) => ({
    ...schema,
    $id: schema.$id.replace(/Request$/, '.req').replace(/Response$/, '.conf'),
}));
const strict = { strictMode: true, strictModeValidators: [createValidator('ocpp2.1', schemas)] };

const tell = (...event) => console.log(JSON.stringify(event));

function answer(peer, answers) {
    peer.on('strictValidationFailure', ({ error }) => tell('invalid', String(error)));
    peer.on('badMessage', ({ error }) => tell('invalid', String(error)));
    peer.handle(({ method, params }) => {
        if (!(method in answers)) throw createRPCError('NotSupported', 'no such thing');
        tell('asked', method, params);
        return answers[method];
    });
}

async function make(peer, calls) {
    for (const [action, request] of calls) {
        try {
            tell('answered', action, await peer.call(action, request));
        } catch (error) {
            tell('failed', action, String(error));
        }
    }
    tell('done');
}

async function client({ protocol, url, calls, answers }) {
    const options = { endpoint: url, identity: 'CS-1', protocols: [protocol] };
    const peer = new RPCClient({ ...options, ...strict, reconnect: false });
    answer(peer, answers);
    peer.on('close', () => tell('closed'));
    await peer.connect();
    await make(peer, calls);
}

async function server({ protocol, calls, answers }) {
    const serving = new RPCServer({ protocols: [protocol], ...strict });
    serving.on('client', async (peer) => {
        answer(peer, answers);
        peer.on('close', async () => {
            tell('closed');
            await serving.close();
        });
        await make(peer, calls);
    });
    const http = await serving.listen(0, '127.0.0.1');
    tell('port', http.address().port);
}

let input = '';
process.stdin.on('data', (data) => { input += data; });
process.stdin.on('end', () => {
    const told = JSON.parse(input);
    ({ client, server })[told.role](told).catch((error) => {
        tell('failed', told.role, String(error));
        process.exit(1);
    });
});
